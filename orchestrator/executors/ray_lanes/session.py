"""The driver's loop over one session of lanes: passes events on in order and acts on them."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from orchestrator.errors import ExecutorError, StorageNotShared
from orchestrator.executors import StopMode, shared_storage_check
from orchestrator.executors.events import (
    Event,
    LaneStarted,
    RecordStatus,
    RunFailed,
    RunFinished,
    RunSource,
    RunStarted,
    RunStopped,
)
from orchestrator.executors.lanes.state import ScheduledRun, scheduled_runs
from orchestrator.executors.ray_lanes.control_actor import DriverMessages
from orchestrator.executors.ray_lanes.session_actors import RETIRE_SECONDS, SessionActors, SessionPlan
from orchestrator.storage import Attempt
from orchestrator.worker.failure import Failure

HEARTBEAT_SECONDS = 0.2


class StoppedAtOnce(Exception):
    """The caller asked to stop now."""


class Session:
    """Runs in the caller's thread. `mode` returns the requested stop mode, or None.

    `runs` are the runs of the session so far; `coming`: how many may still be added; `ended`: the ids of those that
    are over.
    """

    def __init__(
        self,
        plan: SessionPlan,
        on_event: Callable[[Event], None],
        mode: Callable[[], StopMode | None],
        run_source: RunSource,
    ) -> None:
        self.runs = {scheduled.run.run_id: scheduled for scheduled in plan.runs}
        self.coming = plan.coming
        self.ended: set[str] = set()
        self._plan = plan
        self._on_event = on_event
        self._mode = mode
        self._run_source = run_source
        self._stop_sent = False
        self._lanes_up = 0
        self._working: dict[str, RunStarted] = {}

    def run(self) -> None:
        """Return when every run has ended. Raises StoppedAtOnce, ControlLost, ClusterLost and other ExecutorErrors."""
        actors = SessionActors(self._plan)
        at_once = True
        try:
            while not self._handle_next(actors):
                self._check_stop(actors)
                actors.keep_tuning(self.pending)
            self._let_lanes_end(actors)
            at_once = False
        finally:
            actors.leave(at_once=at_once)

    @property
    def pending(self) -> list[ScheduledRun]:
        """The runs that are not over."""
        return [scheduled for run_id, scheduled in self.runs.items() if run_id not in self.ended]

    def stop_working(self) -> None:
        """Report every run in progress as stopped, without a checkpoint."""
        for started in self._working.values():
            self._on_event(RunStopped(started.run_id, started.lane, started.attempt, checkpoint=False))
        self._working.clear()

    def lose_working(self) -> None:
        """Charge every run in progress with an attempt: the lanes are gone with the control actor."""
        for started in tuple(self._working.values()):
            lost = RunFailed(
                started.run_id,
                started.lane,
                started.attempt,
                Failure.LOST.word,
                "the control actor was lost",
                True,
                0.0,
            )
            self._on_event(self._recorded(lost))
        self._working.clear()

    def _handle_next(self, actors: SessionActors) -> bool:
        """Handle the next message, if one comes soon; True if every run is over."""
        try:
            message = actors.inbox.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return False
        if isinstance(message, Exception):
            raise message
        if not isinstance(message, DriverMessages):
            self._pass_on(actors, message)
            return False
        return self._handle_messages(actors, message)

    def _handle_messages(self, actors: SessionActors, messages: DriverMessages) -> bool:
        self._lanes_up = messages.lanes_up
        for event, unrecorded in messages.events:
            self._handle(actors, event, unrecorded)
        for _, members in messages.stalled:
            actors.kill_stalled(members)
        if messages.fatal is not None:
            raise StorageNotShared(messages.fatal)
        if not messages.is_over and not messages.open_lanes:
            raise ExecutorError("no lane is left; the same command resumes the pending runs")
        return messages.is_over

    def _check_stop(self, actors: SessionActors) -> None:
        mode = self._mode()
        if mode == "now":
            raise StoppedAtOnce
        if mode == "checkpoint" and not self._stop_sent:
            self._stop_sent = True
            actors.stop_runs()

    def _let_lanes_end(self, actors: SessionActors) -> None:
        """Give the lanes some seconds to end by themselves; do not wait for lanes that are still starting."""
        deadline = time.monotonic() + RETIRE_SECONDS
        while actors.lanes_running and self._lanes_up and time.monotonic() < deadline:
            self._handle_next(actors)
            if self._mode() == "now":
                return

    def _handle(self, actors: SessionActors, event: Event, unrecorded: bool) -> None:
        if isinstance(event, LaneStarted):
            self._check_replies(actors, event)
        if isinstance(event, RunFailed) and unrecorded:
            event = self._recorded(event)
            if isinstance(event, RunFinished):
                actors.is_finished(event)
        if isinstance(event, RunStarted):
            self._working[event.run_id] = event
        elif isinstance(event, RunFinished | RunFailed | RunStopped):
            self._working.pop(event.run_id, None)
            if not _continues(event):
                self.ended.add(event.run_id)
        self._pass_on(actors, event)

    def _pass_on(self, actors: SessionActors, event: Event) -> None:
        """Pass an event on, and carry out what the run source decides after it."""
        self._on_event(event)
        decision = self._run_source.react(event)
        if not (decision.start or decision.prune or decision.pause) and decision.coming == self.coming:
            return
        started = [self._schedule(scheduled) for scheduled in scheduled_runs(decision.start, self._plan.store)]
        self.coming = decision.coming
        actors.apply_decision(started, decision.prune, decision.pause, decision.coming)

    def _schedule(self, scheduled: ScheduledRun) -> ScheduledRun:
        run_id = scheduled.run.run_id
        before = self.runs.get(run_id)
        self.runs[run_id] = scheduled = replace(scheduled, resumes=0 if before is None else before.resumes + 1)
        self.ended.discard(run_id)
        return scheduled

    def _recorded(self, event: RunFailed) -> RunFinished | RunFailed:
        """Record an attempt for a worker that could not; one that died after its commit has not failed."""
        status = self._plan.store.recorded().get(event.run_id)
        if status is not None:
            self.ended.add(event.run_id)
            return RunFinished(
                event.run_id, event.lane, event.attempt, cast("RecordStatus", status), None, None, event.seconds
            )
        run = self.runs[event.run_id].run
        message, _, trace = event.error.partition("\n")
        attempt = Attempt(event.attempt, "failed", event.kind, message, trace or None)
        return replace(event, error=message, attempt=self._plan.store.record_attempt(run, attempt))

    def _check_replies(self, actors: SessionActors, event: LaneStarted) -> None:
        for rank in range(len(event.hosts)):
            reply = shared_storage_check.reply_name(event.lane, rank)
            if not shared_storage_check.has_reply(actors.storage_check, reply):
                where = f"{self._plan.store.location} as {event.hosts[rank]} sees it"
                raise StorageNotShared(f"{where} is not the driver's: results must be on a shared file system or a URI")


def _continues(event: RunFinished | RunFailed | RunStopped) -> bool:
    """Return whether the same run will be started again in this session."""
    return (isinstance(event, RunFailed) and event.will_retry) or (isinstance(event, RunStopped) and event.will_resume)
