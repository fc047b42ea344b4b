"""The state of lanes: runs to do, who works on which, the lanes by number, and what they hand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.executors.lanes import policy
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


@dataclass
class Roster:
    """Lanes by number. `shortage` says in words what a lane without a place needs and what there is."""

    lanes: dict[int, Lane] = field(default_factory=dict)
    room: int | None = None
    shortage: str = ""

    def add(self, now: float) -> int:
        """Another lane, whose gang is still to come; returns its number."""
        number = len(self.lanes)
        self.lanes[number] = Lane(number, since=now)
        return number

    def gang(self, number: int, gang_id: str) -> Gang | None:
        """The lane's gang, unless the caller belongs to one that has been replaced."""
        gang = self.lanes[number].gang
        return gang if gang is not None and gang.gang_id == gang_id else None

    def leases(self) -> dict[str, Lease]:
        """What lanes hold, by run."""
        return {lane.lease.run_id: lane.lease for lane in self.lanes.values() if lane.lease is not None}

    @property
    def open_lanes(self) -> int:
        """How many lanes can still take runs, now or once they are up."""
        return sum(lane.state == "open" for lane in self.lanes.values())

    @property
    def up(self) -> int:
        """How many lanes have workers."""
        return sum(lane.gang is not None and lane.state != "closed" for lane in self.lanes.values())

    @property
    def idle(self) -> list[Lane]:
        """The lanes that could take a run at once."""
        return [lane for lane in self.lanes.values() if lane.is_idle]

    @property
    def held(self) -> list[str]:
        """The runs in the hands of lanes that have workers."""
        return [lane.lease.run_id for lane in self.lanes.values() if lane.gang is not None and lane.lease is not None]

    def is_needless(self, lane: Lane, waiting_runs: int) -> bool:
        """Whether a lane that has lost its workers need not get others: it holds no run, and idle lanes are enough."""
        return lane.lease is None and (lane.state == "retiring" or len(self.idle) >= waiting_runs)

    def starved(self) -> list[Lane]:
        """Open lanes without workers that have no place left, and of which this was not known; now they wait."""
        if self.room is None or self.up < self.room:
            return []
        found = [lane for lane in self.lanes.values() if lane.state == "open" and lane.gang is None and not lane.waits]
        for lane in found:
            lane.waits = True
        return found

    def resize(self, room: int, shortage: str, waiting_runs: int, now: float) -> list[int]:
        """The cluster has room for that many lanes now; returns the numbers of those that it gains.

        A lane that was given up stays so while the cluster does not grow: what broke it is not a lack of room.
        """
        before = self.room if self.room is not None else len(self.lanes)
        self.room, self.shortage = room, shortage
        return [self.add(now) for _ in range(policy.growth(before, room, self.open_lanes, waiting_runs))]
