"""Who holds which run: leases, gangs and lanes as one state machine without Ray, threads or clocks.

Every method is one transition and takes the time (monotonic seconds); what others should hear of it is in `book.told`.
A lease is held until its run ended, so that a rebuilt gang gets the same run with the next attempt number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.executors.events import (
    LaneLost,
    LaneRetired,
    LaneStarted,
    LaneWaiting,
    RunFailed,
    RunFinished,
    RunStarted,
)
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.state import (
    Ask,
    Assignment,
    Directive,
    Lane,
    LaneState,
    Member,
    RunQueue,
    ScheduledRun,
    Work,
    WorkerGroup,
    end_of,
)

if TYPE_CHECKING:
    from orchestrator.worker.failure import Finished


class LaneScheduler:
    """The lanes of one session and the runs they hold. `fatal` says why the session cannot go on at all."""

    def __init__(
        self, tickets: Iterable[ScheduledRun], lanes: int, limits: Limits, now: float, coming: int = 0
    ) -> None:
        self.book = RunQueue(tickets, limits, coming)
        self.roster = LaneState({number: Lane(number, since=now) for number in range(lanes)})
        self.lanes = self.roster.lanes
        self.fatal: str | None = None
        self._limits = limits
        self._stopping = False
        self._unwanted: set[str] = set()

    def request(self, run_id: str, now: float) -> None:
        """A trial wants this run done, or takes up one whose earlier trial died."""
        self.book.hold(run_id, now)
        lease = self.roster.leases().get(run_id)
        if lease is None:
            self.book.want(run_id)
        elif lease.ask == "stop" and not self._stopping and not lease.paused:
            lease.ask = "continue"
        self._settle(now)

    def follow(self, run_id: str, stint: int, after: int, now: float) -> tuple[list[Mapping[str, Any]], bool]:
        """The run's epochs from number `after` on, and whether this stint of it is over; the trial's sign of life."""
        over = self.book.is_over_for(run_id, stint)
        if not over:
            self.book.hold(run_id, now)
        return self.book.rows(run_id, after), over

    def order(
        self, tickets: Iterable[ScheduledRun], prune: Iterable[str], pause: Iterable[str], coming: int, now: float
    ) -> None:
        """Runs to add, to end early and to interrupt, and how many may still be added after these."""
        for ticket in () if self._stopping else tickets:
            self.book.add(ticket)
        self.book.coming = 0 if self._stopping else coming
        self._unwanted.update(prune)
        for run_id in pause:
            self._pause(run_id)
        self._settle(now)

    def join(self, number: int, gang_id: str, world_size: int, member: Member, problem: str | None, now: float) -> None:
        """A worker is up. `problem`: why it cannot work (storage or data out of reach), which ends the session."""
        lane = self.lanes[number]
        if lane.gang is not None and lane.gang.gang_id != gang_id:
            self.lose(number, "its workers were replaced", now)
        if lane.gang is None:
            lane.gang, lane.waits = WorkerGroup(gang_id, world_size, beat=now), False
            lane.generation += 1
        lane.gang.members[member.rank] = member
        self.fatal = self.fatal or problem
        if lane.gang.is_complete and self.fatal is None:
            hosts = tuple(lane.gang.members[rank].host for rank in sorted(lane.gang.members))
            self.book.tell(LaneStarted(number, lane.generation, hosts, now - lane.since))
            self._settle(now)

    def next(
        self, number: int, gang_id: str, rank: int, work_number: int, leaking: str | None, now: float
    ) -> Work | Directive:
        """The gang's work of that number, the same for all ranks: given out once every rank has asked for it."""
        gang = self.roster.gang(number, gang_id)
        if gang is None:
            return "retire"
        if gang.work is not None and gang.work.number == work_number:
            return gang.work
        gang.asked[rank] = work_number
        gang.leaking = gang.leaking or leaking
        if not gang.is_complete or any(gang.asked.get(other) != work_number for other in gang.members):
            return "wait"
        return self._hand_out(self.lanes[number], gang, now)

    def poll(self, number: int, gang_id: str, now: float) -> Ask:
        """Rank 0's sign of progress; what its run should do."""
        gang, lease = self.roster.gang(number, gang_id), self.lanes[number].lease
        if gang is None or lease is None:
            return "stop"
        gang.beat = now
        return "prune" if lease.run_id in self._unwanted else lease.ask

    def report(self, number: int, gang_id: str, row: Mapping[str, Any], now: float) -> None:
        """One epoch of the current run."""
        gang, lease = self.roster.gang(number, gang_id), self.lanes[number].lease
        if gang is not None and lease is not None:
            gang.beat = now
            self.book.report(lease.run_id, number, row)

    def finish(self, number: int, gang_id: str, finished: Finished, now: float) -> None:
        """Rank 0 is done with the current run and has committed its record, or recorded its failed attempt."""
        lane, gang = self.lanes[number], self.roster.gang(number, gang_id)
        if gang is None or lane.lease is None:
            return
        if finished.recycle:
            gang.leaking = gang.leaking or finished.error or "the run left the worker in doubt"
        event = end_of(finished, number, self.book.attempt(finished.run_id))
        if isinstance(event, RunFailed):
            self._fail(lane, lane.lease, event, retriable=finished.retriable)
        elif isinstance(event, RunFinished) or self._stopping:
            self.book.end(event)
            lane.lease, lane.losses = None, 0
        elif lane.lease.paused:
            self.book.end(replace(event, paused=True))
            lane.lease, lane.losses = None, 0
        else:
            self.book.tell(replace(event, will_resume=True))
            self._release(lane)
        self._settle(now)

    def committed(self, event: RunFinished, now: float) -> None:
        """A run whose gang was lost turned out to have its record; who was to be told has been told."""
        self.book.ended[event.run_id] = event
        for lane in self.lanes.values():
            if lane.lease is not None and lane.lease.run_id == event.run_id and not lane.lease.handed:
                lane.lease, lane.losses = None, 0
        self._settle(now)

    def crash(self, number: int, gang_id: str, error: str) -> None:
        """A rank is about to leave with an exception that the others do not share; the first one is what counts."""
        gang = self.roster.gang(number, gang_id)
        if gang is not None:
            gang.error = gang.error or error

    def leave(self, number: int, reason: str | None, now: float) -> bool:
        """The lane's trainer ended; `reason` None: as it was told to. True when another trainer should follow."""
        gang = self.lanes[number].gang
        if self.lanes[number].state == "closed":
            return False
        if reason is None and (self._stopping or gang is None or gang.verdict == "retire"):
            self.close(number)
            return False
        return self.lose(number, reason or "its workers ended", now)

    def lose(self, number: int, reason: str, now: float) -> bool:
        """The lane's gang is gone, or could not start; False when the lane is given up, or needed no more.

        A run that was being worked on is charged with an attempt and stays with the lane; when the lane cannot start
        either, its run goes back to those that wait. A recycled gang is no loss, and neither is a start for which the
        cluster has no room.
        """
        lane = self.lanes[number]
        gang, lease = lane.gang, lane.lease
        lane.gang, lane.since = None, now
        if gang is None:
            self._release(lane)
            if lane.waits:
                return True
        reason = (gang and (gang.leaking if gang.verdict == "recycle" else gang.error)) or reason
        held = lease if lease is not None and lease.handed else None
        first = reason.partition("\n")[0]
        self.book.tell(LaneLost(number, lane.generation, first, None if held is None else held.run_id))
        lane.losses += 0 if gang is not None and gang.verdict == "recycle" else 1
        if gang is not None and held is not None:
            attempt, seconds = self.book.attempt(held.run_id), now - held.since
            event = RunFailed(
                held.run_id, number, attempt, gang.kind_of_loss, reason, will_retry=False, seconds=seconds
            )
            self._fail(lane, held, event, retriable=True, recorded=False)
        if policy.budget_is_spent(lane.losses, self._limits):
            self.close(number, f"{lane.losses} gangs in a row were lost before a run came to its end: {first}")
        elif self.roster.is_needless(lane, self.book.unassigned(self.roster.held)):
            self.close(number)
        self._settle(now)
        return lane.state != "closed"

    def resize(self, room: int, shortage: str, now: float) -> list[int]:
        """The cluster has room for that many lanes now; returns the numbers of lanes to start."""
        waiting_runs = 0 if self._stopping else self.book.unassigned(self.roster.held)
        grown = self.roster.resize(room, shortage, waiting_runs, now)
        self._settle(now)
        return grown

    def close(self, number: int, reason: str | None = None) -> None:
        """The lane is over, by itself where no reason is given; a run it still holds goes back to those that wait."""
        lane = self.lanes[number]
        if lane.state == "closed":
            return
        lane.state = "closed"
        self._release(lane)
        by_itself = "stopped" if self._stopping else "no waiting run needs it"
        self.book.tell(LaneRetired(number, reason or by_itself))

    def stop(self, now: float) -> None:
        """Runs in work stop at their next control point, with a checkpoint; the others are not begun."""
        self._stopping = True
        for lane in self.lanes.values():
            if lane.lease is not None and not lane.lease.handed:
                lane.lease = None
            elif lane.lease is not None:
                lane.lease.ask = "stop"
        self.book.drop(self.roster.leases())
        self._settle(now)

    def tick(self, now: float) -> list[tuple[int, list[Member]]]:
        """Ask runs whose trial is gone to stop; lanes and their workers that have stalled since the last tick."""
        found = []
        for lane in self.lanes.values():
            if lane.lease is None:
                continue
            if self.book.is_orphan(lane.lease.run_id, now):
                lane.lease.ask = "stop"
            gang = lane.gang
            if gang is not None and not gang.stalled and now - gang.beat > self._limits.stall_seconds:
                gang.stalled = True
                gang.error = f"no progress for {self._limits.stall_seconds:g} s (--stall-timeout)"
                found.append((lane.number, list(gang.members.values())))
        return found

    def _hand_out(self, lane: Lane, gang: WorkerGroup, now: float) -> Work | Directive:
        if gang.verdict is None and gang.leaking is not None:
            gang.verdict = "recycle"
        if lane.state != "open" or (self._stopping and lane.lease is None):
            gang.verdict = "retire"
        if gang.verdict is not None:
            return gang.verdict
        if lane.lease is None:
            return "wait"
        lane.lease.handed, lane.lease.since, gang.beat = True, now, now
        run_id = lane.lease.run_id
        gang.work = Work(gang.next_number, self.book.tickets[run_id].run, self.book.attempt(run_id))
        self.book.tell(RunStarted(run_id, lane.number, gang.work.attempt))
        return gang.work

    def _settle(self, now: float) -> None:
        """Take runs from lanes without a place, give waiting runs to idle lanes, retire the lanes that no run needs."""
        for lane in self.roster.starved():
            self._release(lane)
            self.book.tell(LaneWaiting(lane.number, self.roster.shortage))
        for lane in self.roster.idle:
            run_id = self.book.take()
            if run_id is not None and lane.gang is not None:
                lane.lease, lane.gang.beat = Assignment(run_id), now
        idle = [lane.number for lane in self.roster.idle]
        for number in policy.surplus(idle, self.book.unassigned(self.roster.held)):
            self.lanes[number].state = "retiring"

    def _pause(self, run_id: str) -> None:
        """The run stops at its next control point, unless it has ended by then."""
        lease = self.roster.leases().get(run_id)
        if lease is not None:
            lease.ask, lease.paused = "stop", True

    def _release(self, lane: Lane) -> None:
        if lane.lease is not None:
            self.book.want(lane.lease.run_id)
            lane.lease = None

    def _fail(self, lane: Lane, lease: Assignment, event: RunFailed, *, retriable: bool, recorded: bool = True) -> None:
        lease.handed = False
        if not self.book.fail(event, retriable=retriable and not self._stopping, recorded=recorded):
            lane.lease, lane.losses = None, 0
