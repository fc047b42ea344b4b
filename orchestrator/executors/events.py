"""What an executor and its caller tell each other while runs execute: events one way, decisions the other.

Of one run a caller sees `RunStarted`, any number of `EpochReported`, then exactly one of `RunFinished` (a committed
record), `RunFailed` (an attempt; `will_retry` says whether another `RunStarted` of the same run follows) or
`RunStopped` (stopped on request, stays pending). All events are plain frozen values, in the order things happened.
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
    """The cluster answers. `resources`: what all its nodes have together; `dashboard`: its address here, or None.

    `needs_token`: the dashboard asks for Ray's token.
    """

    address: str
    dashboard: str | None
    nodes: int
    resources: Mapping[str, float]
    needs_token: bool = False


@dataclass(frozen=True)
class LanesPlanned:
    """How the runs are laid out: before the first lane starts, and again when the cluster has grown."""

    lanes: int
    workers_per_run: int
    cpus_per_worker: float
    gpus_per_worker: float


@dataclass(frozen=True)
class LaneStarted:
    """All workers of a lane are up; `generation` counts the lane's gangs, from 1. `hosts` has one name a worker."""

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
    """A lane's gang ended before its time (killed, crashed, stalled, recycled); a new one follows, or `LaneRetired`."""

    lane: int
    generation: int
    reason: str
    run_id: str | None


@dataclass(frozen=True)
class LaneRetired:
    """A lane ended for good: nothing pending needs it, or its failure budget is spent (`reason` says which)."""

    lane: int
    reason: str


@dataclass(frozen=True)
class RunStarted:
    """A lane took a run; `attempt` counts from 1 over all sweeps in this results directory."""

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
    """The run's record is committed. `score` is its headline metric (None where it has none: diverged, pruned)."""

    run_id: str
    lane: int
    attempt: int
    status: RecordStatus
    score: float | None
    error: str | None
    seconds: float


@dataclass(frozen=True)
class RunFailed:
    """One attempt failed. `kind` is a word of `failure.Failure`; `error` what the worker raised, or why it was lost."""

    run_id: str
    lane: int
    attempt: int
    kind: str
    error: str
    will_retry: bool
    seconds: float


@dataclass(frozen=True)
class RunStopped:
    """The run ended on request, before its end; it has no record and is pending for the next sweep.

    `will_resume`: its trial was gone and another `RunStarted` of the same run follows as soon as one takes it up.
    `paused`: the steering ordered it and may begin the run again; else it was the user's wish.
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
    """What is to be done because of an event. A run that was paused may be started again, with its checkpoint.

    `prune`: these end at their next control point with a record; `pause`: these stop there with a checkpoint.
    `coming`: at most so many starts are still to be ordered after these; at 0 the execution ends with its last run.
    """

    start: tuple[RunSpec, ...] = ()
    prune: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    coming: int = 0


class RunSource(Protocol):
    """Decides in the caller's thread. Only as many runs as there are lanes should be under way at a time."""

    def react(self, event: Event) -> Decision:
        """What follows from an event, after the caller's own listener has heard it."""


class FixedGrid:
    """A grid that is known beforehand: nothing is added and nothing ends early."""

    def react(self, event: Event) -> Decision:
        """Nothing follows."""
        return Decision()


@dataclass(frozen=True)
class Scale:
    """`runs`: how many there are, those with a record included; `batch_size`: the smallest global batch of any."""

    runs: int
    batch_size: int

    @classmethod
    def of(cls, runs: Iterable[RunSpec]) -> Scale:
        """The scale of these runs, at least one; those that this machine does not support do not count.

        Twins count once: winners of a search are the same run where only a searched setting told their systems apart.
        """
        sizes = {run.run_id: run.config.train.batch_size for run in runs if run.unsupported is None}
        return cls(len(sizes), min(sizes.values()))
