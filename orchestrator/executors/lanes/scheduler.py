"""Decides which lane executes which run: one state machine of lanes, worker groups and runs. No Ray, threads or clock.

Every method is one transition and takes the time (monotonic seconds); events for the driver go to `queue.events`.
A run stays assigned to its lane until it ends, so a new worker group gets the same run with the next attempt number.
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
    """The lanes of one session and the runs they hold. `fatal` says why the whole session cannot go on."""

    def __init__(self, runs: Iterable[ScheduledRun], lanes: int, limits: Limits, now: float, coming: int = 0) -> None:
        self.queue = RunQueue(runs, limits, coming)
        self.state = LaneState({number: Lane(number, since=now) for number in range(lanes)})
        self.lanes = self.state.lanes
        self.fatal: str | None = None
        self._limits = limits
        self._stopping = False
        self._unwanted: set[str] = set()

    def request(self, run_id: str, now: float) -> None:
        """Have a run done for a trial, which may take over from an earlier trial that died."""
        self.queue.hold(run_id, now)
        assignment = self.state.assignments().get(run_id)
        if assignment is None:
            self.queue.put(run_id)
        elif assignment.ask == "stop" and not self._stopping and not assignment.paused:
            assignment.ask = "continue"
        self._settle(now)

    def follow(self, run_id: str, resumes: int, after: int, now: float) -> tuple[list[Mapping[str, Any]], bool]:
        """Return the run's epochs from number `after` on and whether its trial may end; also the trial's heartbeat."""
        over = self.queue.is_over_for(run_id, resumes)
        if not over:
            self.queue.hold(run_id, now)
        return self.queue.rows(run_id, after), over

    def apply_decision(
        self, runs: Iterable[ScheduledRun], prune: Iterable[str], pause: Iterable[str], coming: int, now: float
    ) -> None:
        """Add runs, end some early and pause others; `coming`: how many more may still be added after these."""
        for scheduled in () if self._stopping else runs:
            self.queue.add(scheduled)
        self.queue.coming = 0 if self._stopping else coming
        self._unwanted.update(prune)
        for run_id in pause:
            self._pause(run_id)
        self._settle(now)

    def join(
        self, number: int, group_id: str, world_size: int, member: Member, problem: str | None, now: float
    ) -> None:
        """Note that a worker is up. `problem` says why it cannot work (no storage, no data), which ends the session."""
        lane = self.lanes[number]
        if lane.group is not None and lane.group.group_id != group_id:
            self.lose(number, "its workers were replaced", now)
        if lane.group is None:
            lane.group, lane.waits = WorkerGroup(group_id, world_size, beat=now), False
            lane.generation += 1
        lane.group.members[member.rank] = member
        self.fatal = self.fatal or problem
        if lane.group.is_complete and self.fatal is None:
            hosts = tuple(lane.group.members[rank].host for rank in sorted(lane.group.members))
            self.queue.log(LaneStarted(number, lane.generation, hosts, now - lane.since))
            self._settle(now)

    def next(
        self, number: int, group_id: str, rank: int, work_number: int, leaking: str | None, now: float
    ) -> Work | Directive:
        """Return the group's work of that number, the same for all ranks, once every rank has asked for it."""
        group = self.state.group(number, group_id)
        if group is None:
            return "retire"
        if group.work is not None and group.work.number == work_number:
            return group.work
        group.asked[rank] = work_number
        group.leaking = group.leaking or leaking
        if not group.is_complete or any(group.asked.get(other) != work_number for other in group.members):
            return "wait"
        return self._hand_out(self.lanes[number], group, now)

    def poll(self, number: int, group_id: str, now: float) -> Ask:
        """Return what the run should do; rank 0 shows by asking that it makes progress."""
        group, assignment = self.state.group(number, group_id), self.lanes[number].assignment
        if group is None or assignment is None:
            return "stop"
        group.beat = now
        return "prune" if assignment.run_id in self._unwanted else assignment.ask

    def report(self, number: int, group_id: str, row: Mapping[str, Any], now: float) -> None:
        """Add one epoch of the current run."""
        group, assignment = self.state.group(number, group_id), self.lanes[number].assignment
        if group is not None and assignment is not None:
            group.beat = now
            self.queue.report(assignment.run_id, number, row)

    def finish(self, number: int, group_id: str, finished: Finished, now: float) -> None:
        """End the current run, whose record or failed attempt rank 0 has already written."""
        lane, group = self.lanes[number], self.state.group(number, group_id)
        if group is None or lane.assignment is None:
            return
        if finished.recycle:
            group.leaking = group.leaking or finished.error or "the last run left its workers in an unknown state"
        event = end_of(finished, number, self.queue.attempt(finished.run_id))
        if isinstance(event, RunFailed):
            self._fail(lane, lane.assignment, event, retriable=finished.retriable)
        elif isinstance(event, RunFinished) or self._stopping:
            self.queue.end(event)
            lane.assignment, lane.losses = None, 0
        elif lane.assignment.paused:
            self.queue.end(replace(event, paused=True))
            lane.assignment, lane.losses = None, 0
        else:
            self.queue.log(replace(event, will_resume=True))
            self._release(lane)
        self._settle(now)

    def committed(self, event: RunFinished, now: float) -> None:
        """End a run whose group was lost after it had committed its record; the event has been sent already."""
        self.queue.ended[event.run_id] = event
        for lane in self.lanes.values():
            if lane.assignment is not None and lane.assignment.run_id == event.run_id and not lane.assignment.handed:
                lane.assignment, lane.losses = None, 0
        self._settle(now)

    def crash(self, number: int, group_id: str, error: str) -> None:
        """Note that a rank is about to exit with an exception that the others do not share; the first one counts."""
        group = self.state.group(number, group_id)
        if group is not None:
            group.error = group.error or error

    def leave(self, number: int, reason: str | None, now: float) -> bool:
        """Note that the lane's trainer ended (`reason` None: as planned); True if another trainer should follow."""
        group = self.lanes[number].group
        if self.lanes[number].state == "closed":
            return False
        if reason is None and (self._stopping or group is None or group.directive == "retire"):
            self.close(number)
            return False
        return self.lose(number, reason or "its workers ended", now)

    def lose(self, number: int, reason: str, now: float) -> bool:
        """Note that the lane's group is gone or could not start; False if the lane is given up or no longer needed.

        A run in progress is charged one attempt and stays with the lane; if the lane then cannot start, the run goes
        back to the queue. A recycled group does not count as a loss, nor does a start that the cluster has no room for.
        """
        lane = self.lanes[number]
        group, assignment = lane.group, lane.assignment
        lane.group, lane.since = None, now
        if group is None:
            self._release(lane)
            if lane.waits:
                return True
        reason = (group and (group.leaking if group.directive == "recycle" else group.error)) or reason
        held = assignment if assignment is not None and assignment.handed else None
        first = reason.partition("\n")[0]
        self.queue.log(LaneLost(number, lane.generation, first, None if held is None else held.run_id))
        lane.losses += 0 if group is not None and group.directive == "recycle" else 1
        if group is not None and held is not None:
            attempt, seconds = self.queue.attempt(held.run_id), now - held.since
            event = RunFailed(
                held.run_id, number, attempt, group.kind_of_loss, reason, will_retry=False, seconds=seconds
            )
            self._fail(lane, held, event, retriable=True, recorded=False)
        if policy.budget_is_spent(lane.losses, self._limits):
            self.close(number, f"{lane.losses} worker groups in a row finished no run: {first}")
        elif self.state.is_needless(lane, self.queue.unassigned(self.state.held)):
            self.close(number)
        self._settle(now)
        return lane.state != "closed"

    def resize(self, room: int, shortage: str, now: float) -> list[int]:
        """Note that the cluster now has room for `room` lanes; return the numbers of the lanes to start."""
        waiting_runs = 0 if self._stopping else self.queue.unassigned(self.state.held)
        grown = self.state.resize(room, shortage, waiting_runs, now)
        self._settle(now)
        return grown

    def close(self, number: int, reason: str | None = None) -> None:
        """Close the lane (`reason` None: it is done) and put a run that it still holds back into the queue."""
        lane = self.lanes[number]
        if lane.state == "closed":
            return
        lane.state = "closed"
        self._release(lane)
        by_itself = "stopped" if self._stopping else "no waiting run needs it"
        self.queue.log(LaneRetired(number, reason or by_itself))

    def stop(self, now: float) -> None:
        """Stop the runs in progress at their next control point, with a checkpoint, and start no others."""
        self._stopping = True
        for lane in self.lanes.values():
            if lane.assignment is not None and not lane.assignment.handed:
                lane.assignment = None
            elif lane.assignment is not None:
                lane.assignment.ask = "stop"
        self.queue.drop(self.state.assignments())
        self._settle(now)

    def tick(self, now: float) -> list[tuple[int, list[Member]]]:
        """Ask runs whose trial is gone to stop; return lanes that stalled since the last tick, with their workers."""
        stalled = []
        for lane in self.lanes.values():
            if lane.assignment is None:
                continue
            if self.queue.is_orphan(lane.assignment.run_id, now):
                lane.assignment.ask = "stop"
            group = lane.group
            if group is not None and not group.stalled and now - group.beat > self._limits.stall_seconds:
                group.stalled = True
                group.error = f"no progress for {self._limits.stall_seconds:g} s (--stall-timeout)"
                stalled.append((lane.number, list(group.members.values())))
        return stalled

    def _hand_out(self, lane: Lane, group: WorkerGroup, now: float) -> Work | Directive:
        if group.directive is None and group.leaking is not None:
            group.directive = "recycle"
        if lane.state != "open" or (self._stopping and lane.assignment is None):
            group.directive = "retire"
        if group.directive is not None:
            return group.directive
        if lane.assignment is None:
            return "wait"
        lane.assignment.handed, lane.assignment.since, group.beat = True, now, now
        run_id = lane.assignment.run_id
        group.work = Work(group.next_number, self.queue.runs[run_id].run, self.queue.attempt(run_id))
        self.queue.log(RunStarted(run_id, lane.number, group.work.attempt))
        return group.work

    def _settle(self, now: float) -> None:
        """Take runs from lanes without room, give waiting runs to idle lanes, retire the lanes that no run needs."""
        for lane in self.state.starved():
            self._release(lane)
            self.queue.log(LaneWaiting(lane.number, self.state.shortage))
        for lane in self.state.idle:
            run_id = self.queue.take()
            if run_id is not None and lane.group is not None:
                lane.assignment, lane.group.beat = Assignment(run_id), now
        idle = [lane.number for lane in self.state.idle]
        for number in policy.surplus(idle, self.queue.unassigned(self.state.held)):
            self.lanes[number].state = "retiring"

    def _pause(self, run_id: str) -> None:
        """Have the run stop at its next control point, unless it ends first."""
        assignment = self.state.assignments().get(run_id)
        if assignment is not None:
            assignment.ask, assignment.paused = "stop", True

    def _release(self, lane: Lane) -> None:
        if lane.assignment is not None:
            self.queue.put(lane.assignment.run_id)
            lane.assignment = None

    def _fail(
        self, lane: Lane, assignment: Assignment, event: RunFailed, *, retriable: bool, recorded: bool = True
    ) -> None:
        assignment.handed = False
        if not self.queue.fail(event, retriable=retriable and not self._stopping, recorded=recorded):
            lane.assignment, lane.losses = None, 0
