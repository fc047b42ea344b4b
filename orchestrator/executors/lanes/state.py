"""The state of a session's lanes and runs: who works on what, which trials wait for a run, how it failed or ended."""

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
    """One run of this sweep; `previous_attempts` is the highest attempt number used before.

    `resumes` counts how often the run was paused and started again in this session.
    """

    run: RunSpec
    previous_attempts: int = 0
    resumes: int = 0

    @property
    def name(self) -> str:
        """The run's name for people."""
        return self.run.label


def scheduled_runs(runs: Sequence[RunSpec], store: Store) -> tuple[ScheduledRun, ...]:
    """Return the runs to schedule, with attempt numbers that continue from the store's."""
    numbers = ([attempt.number for attempt in store.attempts(run.run_id)] for run in runs)
    return tuple(ScheduledRun(run, max(used, default=0)) for run, used in zip(runs, numbers, strict=True))


@dataclass(frozen=True)
class Work:
    """What all ranks of a worker group do next; numbers count from 0 within a group."""

    number: int
    run: RunSpec
    attempt: int


@dataclass(frozen=True)
class Member:
    """The process of one worker, so that it can be killed even if it does not respond."""

    rank: int
    pid: int
    node_id: str
    host: str
    placement_group: Any = None


@dataclass
class Assignment:
    """A run that a lane holds until it ends. `handed`: its group has received it, at the time `since`.

    `paused`: once it has stopped, no trial waits for it.
    """

    run_id: str
    handed: bool = False
    ask: Ask = "continue"
    paused: bool = False
    since: float = 0.0


@dataclass
class WorkerGroup:
    """The workers a lane has at the moment. `beat` is the time of their last sign of progress."""

    group_id: str
    world_size: int
    members: dict[int, Member] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    work: Work | None = None
    directive: Literal["retire", "recycle"] | None = None
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
        """The kind of failure, a word of `Failure`, of the run that this group had when it was lost."""
        if self.error is None:
            return Failure.LOST.word
        return Failure.STALLED.word if self.stalled else Failure.CRASHED.word


@dataclass
class Lane:
    """Executes one run after another, with one worker group after another.

    `losses` counts the groups lost since a run last ended. `waits`: the cluster has no room for a group at the moment.
    """

    number: int
    since: float
    state: Literal["open", "retiring", "closed"] = "open"
    generation: int = 0
    losses: int = 0
    waits: bool = False
    group: WorkerGroup | None = None
    assignment: Assignment | None = None

    @property
    def is_idle(self) -> bool:
        """Whether the lane is up, has no run, and is not about to end."""
        up = self.group is not None and self.group.is_complete and self.group.directive is None
        return up and self.state == "open" and self.assignment is None


@dataclass
class LaneState:
    """Lanes by number. `room`: how many fit into the cluster. `shortage`: what a lane needs, and what there is."""

    lanes: dict[int, Lane] = field(default_factory=dict)
    room: int | None = None
    shortage: str = ""

    def add(self, now: float) -> int:
        """Add a lane, whose group is still to come, and return its number."""
        number = len(self.lanes)
        self.lanes[number] = Lane(number, since=now)
        return number

    def group(self, number: int, group_id: str) -> WorkerGroup | None:
        """Return the lane's group, or None if the caller belongs to one that has been replaced."""
        group = self.lanes[number].group
        return group if group is not None and group.group_id == group_id else None

    def assignments(self) -> dict[str, Assignment]:
        """Return what lanes hold, by run."""
        return {lane.assignment.run_id: lane.assignment for lane in self.lanes.values() if lane.assignment is not None}

    @property
    def open_lanes(self) -> int:
        """How many lanes can still take runs, now or once they are up."""
        return sum(lane.state == "open" for lane in self.lanes.values())

    @property
    def up(self) -> int:
        """How many lanes have workers."""
        return sum(lane.group is not None and lane.state != "closed" for lane in self.lanes.values())

    @property
    def idle(self) -> list[Lane]:
        """The lanes that could take a run at once."""
        return [lane for lane in self.lanes.values() if lane.is_idle]

    @property
    def held(self) -> list[str]:
        """The runs that lanes with workers hold."""
        return [
            lane.assignment.run_id
            for lane in self.lanes.values()
            if lane.group is not None and lane.assignment is not None
        ]

    def is_needless(self, lane: Lane, waiting_runs: int) -> bool:
        """Return whether a lane without workers needs no new ones: it holds no run, and there are enough idle lanes."""
        return lane.assignment is None and (lane.state == "retiring" or len(self.idle) >= waiting_runs)

    def starved(self) -> list[Lane]:
        """Mark the open lanes that have neither workers nor room as waiting; return those that were not before."""
        if self.room is None or self.up < self.room:
            return []
        lanes = [lane for lane in self.lanes.values() if lane.state == "open" and lane.group is None and not lane.waits]
        for lane in lanes:
            lane.waits = True
        return lanes

    def resize(self, room: int, shortage: str, waiting_runs: int, now: float) -> list[int]:
        """Note that the cluster now has room for `room` lanes; return the numbers of the lanes added.

        A lane that was given up is not replaced until the cluster grows: it was not lost for lack of room.
        """
        before = self.room if self.room is not None else len(self.lanes)
        self.room, self.shortage = room, shortage
        return [self.add(now) for _ in range(policy.growth(before, room, self.open_lanes, waiting_runs))]


End = RunFinished | RunFailed | RunStopped


class RunQueue:
    """The session's runs: which wait for a lane, how they ended, and the events for the driver.

    `events` holds pairs: an event, and whether its attempt still has to be recorded. `ended` has None for runs that
    were never started. `coming`: how many runs may still be added.
    """

    def __init__(self, runs: Iterable[ScheduledRun], limits: Limits, coming: int = 0) -> None:
        self.runs = {scheduled.run.run_id: scheduled for scheduled in runs}
        self.ended: dict[str, End | None] = {}
        self.events: list[tuple[Event, bool]] = []
        self.coming = coming
        self._limits = limits
        self._waiting: dict[str, None] = {}
        self._failures: dict[str, int] = {}
        self._holders: dict[str, float] = {}
        self._rows: dict[str, list[Mapping[str, Any]]] = {}

    def log(self, event: Event, *, unrecorded: bool = False) -> None:
        """Note an event for the driver."""
        self.events.append((event, unrecorded))

    def add(self, scheduled: ScheduledRun) -> None:
        """Add a run, or one that was paused and goes on; its failures are counted from zero."""
        run_id = scheduled.run.run_id
        self.runs[run_id] = scheduled
        self.ended.pop(run_id, None)
        self._failures.pop(run_id, None)

    def is_over_for(self, run_id: str, resumes: int) -> bool:
        """Return whether the trial that started the run after this many resumes has nothing more to wait for."""
        return run_id in self.ended or self.runs[run_id].resumes > resumes

    def put(self, run_id: str) -> None:
        """Queue a run that no lane holds."""
        if run_id not in self.ended:
            self._waiting.setdefault(run_id)

    def take(self) -> str | None:
        """Take the run that has waited longest out of the queue; None if no run waits."""
        while self._waiting:
            run_id = next(iter(self._waiting))
            del self._waiting[run_id]
            if run_id not in self.ended:
                return run_id
        return None

    def hold(self, run_id: str, now: float) -> None:
        """Note that the run's trial is alive."""
        self._holders[run_id] = now

    def is_orphan(self, run_id: str, now: float) -> bool:
        """Return whether the run's trial has been silent for too long."""
        return now - self._holders.get(run_id, now) > self._limits.holder_seconds

    def report(self, run_id: str, lane: int, row: Mapping[str, Any]) -> None:
        """Add one epoch of a run."""
        self._rows.setdefault(run_id, []).append(row)
        self.log(EpochReported(run_id, lane, row))

    def rows(self, run_id: str, after: int) -> list[Mapping[str, Any]]:
        """Return the run's epochs from number `after` on, over all its attempts."""
        return self._rows.get(run_id, [])[after:]

    def attempt(self, run_id: str) -> int:
        """Return the number of the run's current or next attempt."""
        return self.runs[run_id].previous_attempts + self._failures.get(run_id, 0) + 1

    def fail(self, event: RunFailed, *, retriable: bool, recorded: bool) -> bool:
        """Note a failed attempt; return whether the run gets another one."""
        failures = self._failures[event.run_id] = self._failures.get(event.run_id, 0) + 1
        again = policy.may_retry(failures, self._limits, event.kind, retriable)
        event = replace(event, will_retry=again)
        if not again:
            self.ended[event.run_id] = event
        self.log(event, unrecorded=not recorded)
        return again

    def end(self, event: RunFinished | RunStopped) -> None:
        """Note that a run ended in this session."""
        self.ended[event.run_id] = event
        self.log(event)

    def drop(self, held: Iterable[str]) -> None:
        """End every run that was not started, without an event; those in `held` are in progress."""
        self._waiting.clear()
        self.coming = 0
        for run_id in self.runs.keys() - set(held) - self.ended.keys():
            self.ended[run_id] = None

    def unassigned(self, held: Iterable[str]) -> int:
        """Return how many runs, including those still to be added, have neither ended nor a lane."""
        return len(self.runs.keys() - set(held) - self.ended.keys()) + self.coming

    @property
    def is_over(self) -> bool:
        """Whether every run has ended and none will be added."""
        return self.coming == 0 and len(self.ended) == len(self.runs)


def end_of(finished: Finished, lane: int, attempt: int) -> End:
    """Return the event for how a worker's run ended; `RunQueue.fail` decides `will_retry` of a failure."""
    if finished.status == "failed":
        kind, error = finished.failure or Failure.CRASHED.word, finished.error or "no message"
        return RunFailed(finished.run_id, lane, attempt, kind, error, will_retry=False, seconds=finished.seconds)
    if finished.status == "stopped":
        return RunStopped(finished.run_id, lane, attempt, checkpoint=finished.checkpoint)
    status = cast("RecordStatus", finished.status)
    return RunFinished(finished.run_id, lane, attempt, status, finished.score, finished.error, finished.seconds)
