"""Drives an executor through a search: starts a trial whenever a lane is free, prunes and pauses running ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.events import (
    Decision,
    EpochReported,
    Event,
    LanesPlanned,
    RunFailed,
    RunFinished,
    RunStopped,
)
from orchestrator.hyperparameter_search.study import Study


@dataclass
class SearchRunSource:
    """The run source for a search of several systems, each with the same number of trials.

    `is_time_up` is called before a trial is proposed, `announce` with every run before it starts.
    """

    studies: Sequence[Study]
    is_time_up: Callable[[], bool]
    announce: Callable[[RunSpec], None]
    lanes: int = 1
    _running: dict[str, tuple[Study, int]] = field(default_factory=dict)
    _is_stopped: bool = False

    def first(self) -> list[RunSpec]:
        """Return the run to start with; empty if nothing is left to do."""
        return list(self._start_trials(1).start)

    def react(self, event: Event) -> Decision:
        """Decide what to start, prune and pause; see `executors.events.RunSource`."""
        if isinstance(event, LanesPlanned):
            self.lanes = event.lanes
        elif isinstance(event, EpochReported):
            return self._judge(event)
        elif isinstance(event, RunFinished):
            study, number = self._running.pop(event.run_id)
            study.end(number, event.status)
        elif isinstance(event, RunFailed):
            self._fail(event)
        elif isinstance(event, RunStopped) and not event.will_resume:
            self._stop(event)
        else:
            return Decision(coming=self._coming)
        return self._start_trials(self.lanes)

    def _judge(self, event: EpochReported) -> Decision:
        study, number = self._running[event.run_id]
        decision = study.report(number, event.row)
        if decision == "continue":
            return Decision(coming=self._coming)
        prune, pause = ((event.run_id,), ()) if decision == "prune" else ((), (event.run_id,))
        return Decision((), prune, pause, self._coming)

    def _fail(self, event: RunFailed) -> None:
        if not event.will_retry:
            study, number = self._running.pop(event.run_id)
            study.end(number, "failed")

    def _stop(self, event: RunStopped) -> None:
        """Let a paused trial wait, to be resumed later; any other stop is the user's, and ends the search."""
        study, number = self._running.pop(event.run_id)
        study.wait(number)
        self._is_stopped |= not event.paused

    def _start_trials(self, lanes: int) -> Decision:
        """Start as many runs as there are free lanes; systems take turns, the one with the fewest trials first."""
        if self.is_time_up():
            for study in self.studies:
                study.end_proposals()
        start, prune = [], []
        while not self._is_stopped and len(self._running) < lanes and (following := self._next()) is not None:
            study, number, ends = following
            run = study.runs[number]
            self._running[run.run_id] = study, number
            self.announce(run)
            start.append(run)
            prune += [run.run_id] if ends else []
        return Decision(tuple(start), tuple(prune), (), self._coming)

    def _next(self) -> tuple[Study, int, bool] | None:
        for study in sorted(self.studies, key=lambda study: len(study.trials)):
            following = study.next()
            if following is not None:
                return study, *following
        return None

    @property
    def _coming(self) -> int:
        return 0 if self._is_stopped else sum(study.coming for study in self.studies)
