"""A session played by hand: workers, trials and driver take turns of a second, and faults befall them on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.executors.events import RunFailed, RunFinished
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.scheduler import LaneScheduler
from orchestrator.executors.lanes.state import Member, ScheduledRun, Work
from orchestrator.worker.failure import Finished
from tests.orchestrator.executors.lanes.schedulers import RUNS

EPOCHS, RANKS = 3, 2
STALL_SECONDS = HOLDER_SECONDS = 5.0
NO_ROOM = "it needs 2 x 1 CPUs, and the cluster has fewer"


@dataclass
class Workers:
    """The processes of one lane, and how far they are with the run they have."""

    name: str
    number: int = 0
    work: Work | None = None
    epoch: int = 0
    hang: bool = False
    leave_processes_in_doubt: bool = False


@dataclass
class Played:
    """Four runs on lanes of two ranks. `records` and `attempts` are what the results directory would hold."""

    lanes: int
    attempts_per_run: int = 3
    now: float = 0.0
    room: int = 0
    num_groups: int = 0
    records: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    committed: set[str] = field(default_factory=set)
    attempts: dict[str, list[str]] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room = self.lanes
        self.begin()

    def begin(self) -> None:
        """A control actor of its own, with what has neither a record nor failed for good; attempts are counted on."""
        limits = Limits(self.attempts_per_run, 99, STALL_SECONDS, HOLDER_SECONDS)
        runs = [run for run in RUNS if run.run_id not in (*self.records, *self.failed)]
        scheduled = [ScheduledRun(run, len(self.attempts.get(run.run_id, ()))) for run in runs]
        self.scheduler = LaneScheduler(scheduled, self.lanes, limits, self.now)
        self.workers: dict[int, Workers] = {}
        self.silent.clear()
        self.room = self.lanes
        for run in runs:
            self.scheduler.request(run.run_id, self.now)

    @property
    def working(self) -> list[int]:
        """The lanes that have a run in work."""
        return [number for number, workers in self.workers.items() if workers.work is not None and not workers.hang]

    def run_of(self, lane: int) -> str:
        """What the lane's workers have."""
        work = self.workers[lane].work
        assert work is not None
        return work.run.run_id

    def turn(self) -> None:
        """A second passes: every lane does one thing, trials give signs of life, the driver hears what happened."""
        self.now += 1.0
        for number in list(self.scheduler.lanes):
            self._turn_of(number)
        for run_id in self.scheduler.queue.runs:
            self._trial_turn(run_id)
        for number, _ in self.scheduler.tick(self.now):
            self.lose(number)
        self._listen()

    def play(self, turns: int = 300) -> None:
        """To the end of every run."""
        while not self.scheduler.queue.is_over:
            assert turns > 0, "the session does not come to its end"
            turns -= 1
            self.turn()

    def lose(self, number: int, reason: str = "its process or its node is gone") -> None:
        """The lane's processes are gone; the trainer of a lane that is given up ends."""
        self.workers.pop(number, None)
        if not self.scheduler.lose(number, reason, self.now):
            assert not self.scheduler.leave(number, reason, self.now)
        self._listen()

    def finish(self, number: int, status: str, **more: object) -> None:
        """Rank 0 says how its run ended, and all ranks ask for the next one."""
        workers = self.workers[number]
        assert workers.work is not None
        found = Finished(workers.work.run.run_id, workers.work.attempt, status, **more)  # type: ignore[arg-type]
        workers.work, workers.epoch, workers.number = None, 0, workers.number + 1
        self.scheduler.finish(number, workers.name, found, self.now)
        self._listen()

    def charge(self, run_id: str, kind: str) -> None:
        """Write an attempt down."""
        self.attempts.setdefault(run_id, []).append(kind)

    def _turn_of(self, number: int) -> None:
        lane = self.scheduler.lanes[number]
        if lane.state == "closed" or (lane.group is None and self._is_full()):
            return
        if number not in self.workers:
            self._start(number)
        elif self.workers[number].hang:
            return
        elif self.workers[number].work is None:
            self._ask(number)
        else:
            self._work(number)

    def _is_full(self) -> bool:
        return len(self.workers) >= self.room

    def _start(self, number: int) -> None:
        self.num_groups += 1
        name = f"group {self.num_groups}"
        self.workers[number] = Workers(name)
        for rank in range(RANKS):
            self.scheduler.join(number, name, RANKS, Member(rank, 100 + rank, "node", "host"), None, self.now)

    def _ask(self, number: int) -> None:
        workers = self.workers[number]
        answers = [
            self.scheduler.next(number, workers.name, rank, workers.number, None, self.now) for rank in range(RANKS)
        ]
        answer = answers[-1]
        assert answers[0] in ("wait", answer)
        if isinstance(answer, Work):
            workers.work = answer
        elif answer == "recycle":
            self.lose(number, "gets fresh processes")
        elif answer == "retire":
            del self.workers[number]
            assert not self.scheduler.leave(number, None, self.now)

    def _work(self, number: int) -> None:
        workers = self.workers[number]
        ask = self.scheduler.poll(number, workers.name, self.now)
        if ask == "stop":
            self.finish(number, "stopped")
        elif workers.epoch == EPOCHS:
            self.finish(number, "completed", score=0.5, recycle=workers.leave_processes_in_doubt)
            workers.leave_processes_in_doubt = False
        else:
            workers.epoch += 1
            self.scheduler.report(number, workers.name, {"epoch": workers.epoch}, self.now)

    def _trial_turn(self, run_id: str) -> None:
        back = self.silent.get(run_id, 0.0)
        if back > self.now:
            return
        if run_id in self.silent:
            del self.silent[run_id]
            self.scheduler.request(run_id, self.now)
        self.scheduler.follow(run_id, 0, 0, self.now)

    def _listen(self) -> None:
        events, self.scheduler.queue.events = self.scheduler.queue.events, []
        for event, is_unrecorded in events:
            if isinstance(event, RunFinished):
                self.records.append(event.run_id)
            elif isinstance(event, RunFailed) and is_unrecorded and event.run_id in self.committed:
                self.records.append(event.run_id)
                self.scheduler.committed(
                    RunFinished(event.run_id, event.lane, event.attempt, "completed", 0.5, None, 0.0), self.now
                )
            elif isinstance(event, RunFailed):
                self._note(event)

    def _note(self, event: RunFailed) -> None:
        self.charge(event.run_id, event.kind)
        assert event.attempt == len(self.attempts[event.run_id]), "attempts are numbered without a gap"
        if not event.will_retry:
            self.failed.append(event.run_id)


Fault = Callable[[Played, int], None]


def worker_raises(played: Played, lane: int) -> None:
    """In all ranks alike; the processes stay."""
    played.finish(lane, "failed", error="ValueError: no", failure="crashed", retriable=True)


def memory_runs_out(played: Played, lane: int) -> None:
    """The run fails, and the processes are in doubt."""
    played.finish(lane, "failed", error="out of memory", failure="out_of_memory", retriable=True, recycle=True)


def worker_dies(played: Played, lane: int) -> None:
    """A process is killed."""
    played.lose(lane)


def worker_hangs(played: Played, lane: int) -> None:
    """It neither works nor goes."""
    played.workers[lane].hang = True


def rank_raises_alone(played: Played, lane: int) -> None:
    """The other one waits for it, until Train takes both away."""
    played.scheduler.crash(lane, played.workers[lane].name, "rank 1: ArithmeticError: alone\nTraceback")
    played.lose(lane)


def lane_is_recycled(played: Played, lane: int) -> None:
    """The run ends well and leaves its processes in doubt."""
    played.workers[lane].leave_processes_in_doubt = True


def worker_dies_after_its_commit(played: Played, lane: int) -> None:
    """Its record is there, and nobody was told."""
    played.committed.add(played.run_of(lane))
    played.lose(lane)


def node_is_lost_for_a_while(played: Played, lane: int) -> None:
    """With its processes; the cluster has room for one lane fewer, and later for as many as before."""
    played.room = max(0, played.lanes - 1)
    played.lose(lane)
    assert played.scheduler.resize(played.room, NO_ROOM, played.now) == []
    for _ in range(8):
        played.turn()
    played.room = played.lanes
    played.scheduler.resize(played.room, NO_ROOM, played.now)


def cluster_grows(played: Played, lane: int) -> None:
    """Room for another lane, which is taken where runs wait."""
    played.room += 1
    played.scheduler.resize(played.room, NO_ROOM, played.now)


def trial_dies(played: Played, lane: int) -> None:
    """Ray Tune starts another one for the same run, too late for it to go on undisturbed."""
    played.silent[played.run_of(lane)] = played.now + HOLDER_SECONDS + 3


def control_actor_is_lost(played: Played, lane: int) -> None:
    """Every lane goes with it; the driver charges what was in work and begins another session."""
    for run_id in [played.run_of(number) for number in played.workers if played.workers[number].work is not None]:
        played.charge(run_id, "lost")
    played.begin()


def driver_stops_and_resumes(played: Played, lane: int) -> None:
    """Runs in work stop at their next control point; the same command goes on with what has no record."""
    played.scheduler.stop(played.now)
    played.play()
    played.failed.clear()
    played.begin()
