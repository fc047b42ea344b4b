"""The values that board, lanes and trials hand to each other: a run to do, a unit of work, a worker's whereabouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.worker.failure import Failure

if TYPE_CHECKING:
    from orchestrator.config.run_spec import RunSpec
    from orchestrator.storage import Store

Verdict = Literal["wait", "retire", "recycle"]
Ask = Literal["continue", "stop", "prune"]


@dataclass(frozen=True)
class Ticket:
    """One run of this sweep; `previous_attempts` is the highest attempt number that has been used before.

    `stint` counts how often the run was begun in this session: a paused one is taken up again.
    """

    run: RunSpec
    previous_attempts: int = 0
    stint: int = 1

    @property
    def name(self) -> str:
        """How the run is called where people look."""
        return self.run.label


def tickets(runs: Sequence[RunSpec], store: Store) -> tuple[Ticket, ...]:
    """A ticket a run, counting attempts on from those in the store."""
    numbers = ([attempt.number for attempt in store.attempts(run.run_id)] for run in runs)
    return tuple(Ticket(run, max(used, default=0)) for run, used in zip(runs, numbers, strict=True))


@dataclass(frozen=True)
class Work:
    """What all ranks of a gang do next; numbers count from 0 within a gang."""

    number: int
    run: RunSpec
    attempt: int


@dataclass(frozen=True)
class Member:
    """Where one worker of a gang lives, so that it can be killed even when it does not listen."""

    rank: int
    pid: int
    node_id: str
    host: str
    placement_group: Any = None


@dataclass
class Lease:
    """A run that a lane holds until it ended. `handed`: its gang has it, `since` then.

    `paused`: once it has stopped, nobody waits for it any more.
    """

    run_id: str
    handed: bool = False
    ask: Ask = "continue"
    paused: bool = False
    since: float = 0.0


@dataclass
class Gang:
    """The workers a lane has at the moment. `beat` is when they last gave a sign of progress on what they hold."""

    gang_id: str
    world_size: int
    members: dict[int, Member] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    work: Work | None = None
    verdict: Literal["retire", "recycle"] | None = None
    leaking: str | None = None
    error: str | None = None
    stalled: bool = False
    beat: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every rank has joined."""
        return len(self.members) == self.world_size

    @property
    def next_number(self) -> int:
        """The number of the work after the current one."""
        return 0 if self.work is None else self.work.number + 1

    @property
    def kind_of_loss(self) -> str:
        """What the loss of this gang means for the run it had: a word of `Failure`."""
        if self.error is None:
            return Failure.LOST.word
        return Failure.STALLED.word if self.stalled else Failure.CRASHED.word


@dataclass
class Lane:
    """A place where runs execute; gangs come and go. `losses` counts gangs lost since a run last came to an end.

    `waits`: it has no gang because the cluster has no room for one at the moment.
    """

    number: int
    since: float
    state: Literal["open", "retiring", "closed"] = "open"
    generation: int = 0
    losses: int = 0
    waits: bool = False
    gang: Gang | None = None
    lease: Lease | None = None

    @property
    def is_idle(self) -> bool:
        """Up, without a run, and not on its way out."""
        up = self.gang is not None and self.gang.is_complete and self.gang.verdict is None
        return up and self.state == "open" and self.lease is None
