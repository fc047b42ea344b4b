"""The messages between an executor and its caller while runs execute: events one way, decisions the other.

For each run a caller sees `RunStarted`, any number of `EpochReported`, then exactly one of `RunFinished` (a committed
record), `RunFailed` (an attempt; `will_retry` says whether another `RunStarted` of the same run follows) or
`RunStopped` (stopped on request, stays pending). All events are plain frozen values, in the order of what happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from orchestrator.config.run_spec import RunSpec


RecordStatus = Literal["completed", "collapsed", "diverged", "pruned"]


@dataclass(frozen=True)
class ClusterReady:
    """The cluster is up. `resources`: the total of all nodes; `dashboard`: its address on this machine, or None.

    `needs_token`: the dashboard asks for Ray's token.
    """

    address: str
    dashboard: str | None
    nodes: int
    resources: Mapping[str, float]
    needs_token: bool = False


@dataclass(frozen=True)
class LanesPlanned:
    """The layout of the lanes: sent before the first lane starts, and again when the cluster has grown."""

    lanes: int
    workers_per_run: int
    cpus_per_worker: float
    gpus_per_worker: float


@dataclass(frozen=True)
class LaneStarted:
    """All workers of a lane are up; `generation` counts its worker groups from 1. `hosts` has one name per worker."""

    lane: int
    generation: int
    hosts: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class LaneWaiting:
    """A lane cannot start yet; `reason` names what it waits for."""

    lane: int
    reason: str


@dataclass(frozen=True)
class LaneLost:
    """A worker group ended early (killed, crashed, stalled, recycled); a new one follows, or `LaneRetired`."""

    lane: int
    generation: int
    reason: str
    run_id: str | None


@dataclass(frozen=True)
class LaneRetired:
    """A lane ended for good: no pending run needs it, or its failure budget is spent (`reason` says which)."""

    lane: int
    reason: str


@dataclass(frozen=True)
class RunStarted:
    """A lane started a run; `attempt` counts from 1 over all sweeps in this results directory."""

    run_id: str
    lane: int
    attempt: int


@dataclass(frozen=True)
class EpochReported:
    """One epoch's row of the `epochs` table, as the training wrote it."""

    run_id: str
    lane: int
    row: Mapping[str, Any]


@dataclass(frozen=True)
class RunFinished:
    """The run's record is committed. `score` is its headline metric; None if it has none (diverged, pruned)."""

    run_id: str
    lane: int
    attempt: int
    status: RecordStatus
    score: float | None
    error: str | None
    seconds: float


@dataclass(frozen=True)
class RunFailed:
    """One attempt failed. `kind` is a word of `Failure`; `error` is what the worker raised, or why it was lost."""

    run_id: str
    lane: int
    attempt: int
    kind: str
    error: str
    will_retry: bool
    seconds: float


@dataclass(frozen=True)
class RunStopped:
    """The run stopped early on request; it has no record and is pending for the next sweep.

    `will_resume`: its trial was gone; another `RunStarted` of the same run follows once a new trial takes over.
    `paused`: the run source stopped it and may start it again; otherwise the user did.
    """

    run_id: str
    lane: int
    attempt: int
    checkpoint: bool
    will_resume: bool = False
    paused: bool = False


LaneEvent = ClusterReady | LanesPlanned | LaneStarted | LaneWaiting | LaneLost | LaneRetired
RunEvent = RunStarted | EpochReported | RunFinished | RunFailed | RunStopped
Event = LaneEvent | RunEvent


@dataclass(frozen=True)
class Decision:
    """What to do after an event. `start` may have a run that was paused: it goes on from its checkpoint.

    `prune`: runs to end at their next control point, with a record; `pause`: runs to stop there, with a checkpoint.
    `coming`: how many more starts may follow, at most; at 0 the execution ends with its last run.
    """

    start: tuple[RunSpec, ...] = ()
    prune: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    coming: int = 0


class RunSource(Protocol):
    """Starts and ends runs, in the caller's thread. It should keep at most one run per lane in progress."""

    def react(self, event: Event) -> Decision:
        """Return what to do after an event, which the caller's `on_event` has already received."""


class FixedGrid:
    """The run source of a grid known in advance: adds no runs and ends none early."""

    def react(self, event: Event) -> Decision:
        """Return that nothing changes."""
        return Decision()


@dataclass(frozen=True)
class Scale:
    """The size of an experiment: its number of runs, recorded ones included, and its smallest global batch."""

    runs: int
    batch_size: int

    @classmethod
    def of(cls, runs: Iterable[RunSpec]) -> Scale:
        """Return the scale of these runs, of which this machine supports at least one; only supported ones count.

        Equal runs count once: two winners of a search can be the same run, if only a searched setting set their
        systems apart.
        """
        sizes = {run.run_id: run.config.train.batch_size for run in runs if run.unsupported is None}
        return cls(len(sizes), min(sizes.values()))
