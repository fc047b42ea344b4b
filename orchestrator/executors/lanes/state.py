"""The state of lanes and of a session's runs: who works on what, which trials want a run, how it failed or ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from orchestrator.executors.events import EpochReported, Event, RecordStatus, RunFailed, RunFinished, RunStopped
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import Limits
from orchestrator.worker.failure import Failure

if TYPE_CHECKING:
    from orchestrator.config.run_spec import RunSpec
    from orchestrator.storage import Store
    from orchestrator.worker.failure import Finished


Directive = Literal["wait", "retire", "recycle"]
Ask = Literal["continue", "stop", "prune"]


@dataclass(frozen=True)
class ScheduledRun:
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


def tickets(runs: Sequence[RunSpec], store: Store) -> tuple[ScheduledRun, ...]:
    """A ticket a run, counting attempts on from those in the store."""
    numbers = ([attempt.number for attempt in store.attempts(run.run_id)] for run in runs)
    return tuple(ScheduledRun(run, max(used, default=0)) for run, used in zip(runs, numbers, strict=True))


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
class Assignment:
    """A run that a lane holds until it ended. `handed`: its gang has it, `since` then.

    `paused`: once it has stopped, nobody waits for it any more.
    """

    run_id: str
    handed: bool = False
    ask: Ask = "continue"
    paused: bool = False
    since: float = 0.0


@dataclass
class WorkerGroup:
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
    gang: WorkerGroup | None = None
    lease: Assignment | None = None

    @property
    def is_idle(self) -> bool:
        """Up, without a run, and not on its way out."""
        up = self.gang is not None and self.gang.is_complete and self.gang.verdict is None
        return up and self.state == "open" and self.lease is None


@dataclass
class LaneState:
    """Lanes by number. `shortage` says in words what a lane without a place needs and what there is."""

    lanes: dict[int, Lane] = field(default_factory=dict)
    room: int | None = None
    shortage: str = ""

    def add(self, now: float) -> int:
        """Another lane, whose gang is still to come; returns its number."""
        number = len(self.lanes)
        self.lanes[number] = Lane(number, since=now)
        return number

    def gang(self, number: int, gang_id: str) -> WorkerGroup | None:
        """The lane's gang, unless the caller belongs to one that has been replaced."""
        gang = self.lanes[number].gang
        return gang if gang is not None and gang.gang_id == gang_id else None

    def leases(self) -> dict[str, Assignment]:
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


End = RunFinished | RunFailed | RunStopped


class RunQueue:
    """`told` holds (event, whether its attempt still has to be recorded); `ended` has None for runs never begun.

    `coming`: so many runs may still be added.
    """

    def __init__(self, tickets: Iterable[ScheduledRun], limits: Limits, coming: int = 0) -> None:
        self.tickets = {ticket.run.run_id: ticket for ticket in tickets}
        self.ended: dict[str, End | None] = {}
        self.told: list[tuple[Event, bool]] = []
        self.coming = coming
        self._limits = limits
        self._wanted: dict[str, None] = {}
        self._failures: dict[str, int] = {}
        self._holders: dict[str, float] = {}
        self._rows: dict[str, list[Mapping[str, Any]]] = {}

    def tell(self, event: Event, *, unrecorded: bool = False) -> None:
        """Something happened."""
        self.told.append((event, unrecorded))

    def add(self, ticket: ScheduledRun) -> None:
        """Another run, or one that was paused and is to go on; its attempts are counted anew."""
        run_id = ticket.run.run_id
        self.tickets[run_id] = ticket
        self.ended.pop(run_id, None)
        self._failures.pop(run_id, None)

    def is_over_for(self, run_id: str, stint: int) -> bool:
        """Whether the trial that began a run for the `stint`-th time has nothing more to wait for."""
        return run_id in self.ended or self.tickets[run_id].stint > stint

    def want(self, run_id: str) -> None:
        """A run that no lane holds is to be done."""
        if run_id not in self.ended:
            self._wanted.setdefault(run_id)

    def take(self) -> str | None:
        """The run that has waited longest, which now belongs to the caller."""
        while self._wanted:
            run_id = next(iter(self._wanted))
            del self._wanted[run_id]
            if run_id not in self.ended:
                return run_id
        return None

    def hold(self, run_id: str, now: float) -> None:
        """The run's trial gives a sign of life."""
        self._holders[run_id] = now

    def is_orphan(self, run_id: str, now: float) -> bool:
        """Whether the run's trial has been silent for too long."""
        return now - self._holders.get(run_id, now) > self._limits.holder_seconds

    def report(self, run_id: str, lane: int, row: Mapping[str, Any]) -> None:
        """One epoch of a run."""
        self._rows.setdefault(run_id, []).append(row)
        self.tell(EpochReported(run_id, lane, row))

    def rows(self, run_id: str, after: int) -> list[Mapping[str, Any]]:
        """The run's epochs from number `after` on, over all its attempts."""
        return self._rows.get(run_id, [])[after:]

    def attempt(self, run_id: str) -> int:
        """The number of the run's current or next attempt."""
        return self.tickets[run_id].previous_attempts + self._failures.get(run_id, 0) + 1

    def fail(self, event: RunFailed, *, retriable: bool, recorded: bool) -> bool:
        """An attempt failed; whether the run gets another one."""
        failures = self._failures[event.run_id] = self._failures.get(event.run_id, 0) + 1
        again = policy.may_retry(failures, self._limits, event.kind, retriable)
        event = replace(event, will_retry=again)
        if not again:
            self.ended[event.run_id] = event
        self.tell(event, unrecorded=not recorded)
        return again

    def end(self, event: RunFinished | RunStopped) -> None:
        """A run came to its end in this session."""
        self.ended[event.run_id] = event
        self.tell(event)

    def drop(self, held: Iterable[str]) -> None:
        """End every run that was not begun, silently; those in `held` are still being worked on."""
        self._wanted.clear()
        self.coming = 0
        for run_id in self.tickets.keys() - set(held) - self.ended.keys():
            self.ended[run_id] = None

    def unassigned(self, held: Iterable[str]) -> int:
        """How many runs, those that are still to be added included, are neither over nor held by a lane."""
        return len(self.tickets.keys() - set(held) - self.ended.keys()) + self.coming

    @property
    def is_over(self) -> bool:
        """Whether every run ended, and no other one will be added."""
        return self.coming == 0 and len(self.ended) == len(self.tickets)


def end_of(finished: Finished, lane: int, attempt: int) -> End:
    """What a worker's answer means; of a failure, `will_retry` is decided by `RunQueue.fail`."""
    if finished.status == "failed":
        kind, error = finished.failure or Failure.CRASHED.word, finished.error or "no message"
        return RunFailed(finished.run_id, lane, attempt, kind, error, will_retry=False, seconds=finished.seconds)
    if finished.status == "stopped":
        return RunStopped(finished.run_id, lane, attempt, checkpoint=finished.checkpoint)
    status = cast("RecordStatus", finished.status)
    return RunFinished(finished.run_id, lane, attempt, status, finished.score, finished.error, finished.seconds)
