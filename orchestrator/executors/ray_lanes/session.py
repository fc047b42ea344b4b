"""The driver's loop over one session of lanes: passes events on in order and carries out what follows from them."""

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
from orchestrator.executors.lanes.state import ScheduledRun, tickets
from orchestrator.executors.ray_lanes.control_actor import DriverMessages
from orchestrator.executors.ray_lanes.session_actors import RETIRE_SECONDS, SessionActors, SessionPlan
from orchestrator.storage import Attempt
from orchestrator.worker.failure import Failure

HEARTBEAT_SECONDS = 0.2


class StoppedAtOnce(Exception):
    """The caller asked to stop now."""


class Session:
    """Runs in the caller's thread. `mode` returns what was asked for by now.

    `tickets` are the runs of the session so far, `coming` says how many may still be added; `ended` names those that
    are over.
    """

    def __init__(
        self,
        plan: SessionPlan,
        on_event: Callable[[Event], None],
        mode: Callable[[], StopMode | None],
        steering: RunSource,
    ) -> None:
        self.tickets = {ticket.run.run_id: ticket for ticket in plan.tickets}
        self.coming = plan.coming
        self.ended: set[str] = set()
        self._plan = plan
        self._on_event = on_event
        self._mode = mode
        self._steering = steering
        self._asked = False
        self._lanes_up = 0
        self._working: dict[str, RunStarted] = {}

    def run(self) -> None:
        """Return when every run ended. Raises StoppedAtOnce, ControlLost, ClusterLost and other ExecutorErrors."""
        crew = SessionActors(self._plan)
        at_once = True
        try:
            while not self._turn(crew):
                self._obey(crew)
                crew.keep_tuning(self.pending)
            self._let_lanes_end(crew)
            at_once = False
        finally:
            crew.leave(at_once=at_once)

    @property
    def pending(self) -> list[ScheduledRun]:
        """The runs that are not over."""
        return [ticket for run_id, ticket in self.tickets.items() if run_id not in self.ended]

    def stop_working(self) -> None:
        """Tell of every run that was being worked on that it was stopped, without a checkpoint."""
        for started in self._working.values():
            self._on_event(RunStopped(started.run_id, started.lane, started.attempt, checkpoint=False))
        self._working.clear()

    def lose_working(self) -> None:
        """Charge every run that was being worked on with an attempt: the lanes are gone with the control actor."""
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

    def _turn(self, crew: SessionActors) -> bool:
        """Handle one piece of news, if there is one soon; True when every run is over."""
        try:
            news = crew.inbox.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return False
        if isinstance(news, Exception):
            raise news
        if not isinstance(news, DriverMessages):
            self._tell(crew, news)
            return False
        return self._take_in(crew, news)

    def _take_in(self, crew: SessionActors, news: DriverMessages) -> bool:
        self._lanes_up = news.lanes_up
        for event, unrecorded in news.told:
            self._hear(crew, event, unrecorded)
        for _, members in news.stalled:
            crew.kill_stalled(members)
        if news.fatal is not None:
            raise StorageNotShared(news.fatal)
        if not news.is_over and not news.open_lanes:
            raise ExecutorError(
                "no lane is left that could go on; what is pending can be resumed with the same command"
            )
        return news.is_over

    def _obey(self, crew: SessionActors) -> None:
        mode = self._mode()
        if mode == "now":
            raise StoppedAtOnce
        if mode == "checkpoint" and not self._asked:
            self._asked = True
            crew.stop_runs()

    def _let_lanes_end(self, crew: SessionActors) -> None:
        """Give the lanes some seconds to end by themselves; one that is still starting is not waited for."""
        deadline = time.monotonic() + RETIRE_SECONDS
        while crew.lanes_running and self._lanes_up and time.monotonic() < deadline:
            self._turn(crew)
            if self._mode() == "now":
                return

    def _hear(self, crew: SessionActors, event: Event, unrecorded: bool) -> None:
        if isinstance(event, LaneStarted):
            self._check_answers(crew, event)
        if isinstance(event, RunFailed) and unrecorded:
            event = self._recorded(event)
            if isinstance(event, RunFinished):
                crew.is_finished(event)
        if isinstance(event, RunStarted):
            self._working[event.run_id] = event
        elif isinstance(event, RunFinished | RunFailed | RunStopped):
            self._working.pop(event.run_id, None)
            if not _goes_on(event):
                self.ended.add(event.run_id)
        self._tell(crew, event)

    def _tell(self, crew: SessionActors, event: Event) -> None:
        """Pass an event on, and do what the steering wants because of it."""
        self._on_event(event)
        orders = self._steering.react(event)
        if not (orders.start or orders.prune or orders.pause) and orders.coming == self.coming:
            return
        started = [self._begun(ticket) for ticket in tickets(orders.start, self._plan.store)]
        self.coming = orders.coming
        crew.order(started, orders.prune, orders.pause, orders.coming)

    def _begun(self, ticket: ScheduledRun) -> ScheduledRun:
        run_id = ticket.run.run_id
        before = self.tickets.get(run_id)
        self.tickets[run_id] = ticket = replace(ticket, stint=1 if before is None else before.stint + 1)
        self.ended.discard(run_id)
        return ticket

    def _recorded(self, event: RunFailed) -> RunFinished | RunFailed:
        """Write down an attempt whose worker could not; a worker that died after its commit has not failed at all."""
        status = self._plan.store.recorded().get(event.run_id)
        if status is not None:
            self.ended.add(event.run_id)
            found = cast("RecordStatus", status)
            return RunFinished(event.run_id, event.lane, event.attempt, found, None, None, event.seconds)
        run = self.tickets[event.run_id].run
        message, _, trace = event.error.partition("\n")
        attempt = Attempt(event.attempt, "failed", event.kind, message, trace or None)
        return replace(event, error=message, attempt=self._plan.store.record_attempt(run, attempt))

    def _check_answers(self, crew: SessionActors, event: LaneStarted) -> None:
        for rank in range(len(event.hosts)):
            if not shared_storage_check.is_answered(crew.preflight, shared_storage_check.answer_of(event.lane, rank)):
                where = f"{self._plan.store.location} as {event.hosts[rank]} sees it"
                raise StorageNotShared(f"{where} is not the driver's: results must be on a shared file system or a URI")


def _goes_on(event: RunFinished | RunFailed | RunStopped) -> bool:
    """Whether the same run will be begun once more in this session."""
    return (isinstance(event, RunFailed) and event.will_retry) or (isinstance(event, RunStopped) and event.will_resume)
