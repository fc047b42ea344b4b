"""The driver's loop over one session of lanes: passes events on in order and carries out what they ask for."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from orchestrator.executors import ExecutorError, StopMode, StorageNotShared, preflight
from orchestrator.executors.events import (
    Event,
    LaneStarted,
    RecordStatus,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
)
from orchestrator.executors.ray_control import Batch
from orchestrator.executors.ray_crew import RETIRE_SECONDS, Crew, Plan
from orchestrator.failure import Failure
from orchestrator.storage import Attempt

HEARTBEAT_SECONDS = 0.2


class StoppedAtOnce(Exception):
    """The caller asked to stop now."""


class Session:
    """Runs in the caller's thread. `mode` returns what was asked for by now; `ended` names the runs that are over."""

    def __init__(self, plan: Plan, on_event: Callable[[Event], None], mode: Callable[[], StopMode | None]) -> None:
        self.ended: set[str] = set()
        self._plan = plan
        self._on_event = on_event
        self._mode = mode
        self._asked = False
        self._lanes_up = 0
        self._working: dict[str, RunStarted] = {}

    def run(self) -> None:
        """Return when every run ended. Raises StoppedAtOnce, ControlLost, ClusterLost and other ExecutorErrors."""
        crew = Crew(self._plan)
        at_once = True
        try:
            while not self._turn(crew):
                self._obey(crew)
                crew.keep_tuning([found for found in self._plan.tickets if found.run.run_id not in self.ended])
            self._let_lanes_end(crew)
            at_once = False
        finally:
            crew.leave(at_once=at_once)

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

    def _turn(self, crew: Crew) -> bool:
        """Handle one piece of news, if there is one soon; True when every run is over."""
        try:
            news = crew.inbox.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return False
        if isinstance(news, Exception):
            raise news
        if not isinstance(news, Batch):
            self._on_event(news)
            return False
        return self._take_in(crew, news)

    def _take_in(self, crew: Crew, news: Batch) -> bool:
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

    def _obey(self, crew: Crew) -> None:
        mode = self._mode()
        if mode == "now":
            raise StoppedAtOnce
        if mode == "checkpoint" and not self._asked:
            self._asked = True
            crew.stop_runs()

    def _let_lanes_end(self, crew: Crew) -> None:
        """Give the lanes some seconds to end by themselves; one that is still starting is not waited for."""
        deadline = time.monotonic() + RETIRE_SECONDS
        while crew.lanes_running and self._lanes_up and time.monotonic() < deadline:
            self._turn(crew)
            if self._mode() == "now":
                return

    def _hear(self, crew: Crew, event: Event, unrecorded: bool) -> None:
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
            if not (isinstance(event, RunFailed) and event.will_retry):
                self.ended.add(event.run_id)
        self._on_event(event)

    def _recorded(self, event: RunFailed) -> RunFinished | RunFailed:
        """Write down an attempt whose worker could not; a worker that died after its commit has not failed at all."""
        status = self._plan.store.recorded().get(event.run_id)
        if status is not None:
            self.ended.add(event.run_id)
            found = cast("RecordStatus", status)
            return RunFinished(event.run_id, event.lane, event.attempt, found, None, None, event.seconds)
        run = next(ticket.run for ticket in self._plan.tickets if ticket.run.run_id == event.run_id)
        message, _, trace = event.error.partition("\n")
        attempt = Attempt(event.attempt, "failed", event.kind, message, trace or None)
        return replace(event, error=message, attempt=self._plan.store.record_attempt(run, attempt))

    def _check_answers(self, crew: Crew, event: LaneStarted) -> None:
        for rank in range(len(event.hosts)):
            if not preflight.is_answered(crew.preflight, preflight.answer_of(event.lane, rank)):
                where = f"{self._plan.store.location} as {event.hosts[rank]} sees it"
                raise StorageNotShared(f"{where} is not the driver's: results must be on a shared file system or a URI")
