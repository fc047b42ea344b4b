"""Steers an executor through a search: begins a trial whenever a lane is free, ends and interrupts those in work."""

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
    """The Steering of several systems, each with the same number of trials.

    `is_time_up` is asked before a trial is proposed; `announce` hears of every run before it is begun.
    """

    studies: Sequence[Study]
    is_time_up: Callable[[], bool]
    announce: Callable[[RunSpec], None]
    lanes: int = 1
    _under_way: dict[str, tuple[Study, int]] = field(default_factory=dict)
    _is_stopped: bool = False

    def first(self) -> list[RunSpec]:
        """The run to begin with; empty where nothing is left to do."""
        return list(self._begun(1).start)

    def react(self, event: Event) -> Decision:
        """See executors.run_source.Steering."""
        if isinstance(event, LanesPlanned):
            self.lanes = event.lanes
        elif isinstance(event, EpochReported):
            return self._judge(event)
        elif isinstance(event, RunFinished):
            study, number = self._under_way.pop(event.run_id)
            study.end(number, event.status)
        elif isinstance(event, RunFailed):
            self._fail(event)
        elif isinstance(event, RunStopped) and not event.will_resume:
            self._stop(event)
        else:
            return Decision(coming=self._coming)
        return self._begun(self.lanes)

    def _judge(self, event: EpochReported) -> Decision:
        study, number = self._under_way[event.run_id]
        decision = study.report(number, event.row)
        if decision == "continue":
            return Decision(coming=self._coming)
        prune, pause = ((event.run_id,), ()) if decision == "prune" else ((), (event.run_id,))
        return Decision((), prune, pause, self._coming)

    def _fail(self, event: RunFailed) -> None:
        if not event.will_retry:
            study, number = self._under_way.pop(event.run_id)
            study.end(number, "failed")

    def _stop(self, event: RunStopped) -> None:
        """One that was told to wait is taken up again later; any other stop is the user's, and ends the search."""
        study, number = self._under_way.pop(event.run_id)
        study.wait(number)
        self._is_stopped |= not event.paused

    def _begun(self, lanes: int) -> Decision:
        """As many runs as there are free lanes; every system in turn, the one with the fewest trials first."""
        if self.is_time_up():
            for study in self.studies:
                study.end_proposals()
        start, prune = [], []
        while not self._is_stopped and len(self._under_way) < lanes and (found := self._next()) is not None:
            study, number, ends = found
            run = study.runs[number]
            self._under_way[run.run_id] = study, number
            self.announce(run)
            start.append(run)
            prune += [run.run_id] if ends else []
        return Decision(tuple(start), tuple(prune), (), self._coming)

    def _next(self) -> tuple[Study, int, bool] | None:
        for study in sorted(self.studies, key=lambda found: len(found.trials)):
            following = study.next()
            if following is not None:
                return study, *following
        return None

    @property
    def _coming(self) -> int:
        return 0 if self._is_stopped else sum(study.coming for study in self.studies)
