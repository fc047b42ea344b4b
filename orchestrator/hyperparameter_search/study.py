"""The search of one system: its trials so far, which one is to be begun next, and what becomes of the others.

Everything is decided from proposals, scores and records that are written down; nothing else is remembered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Literal, cast

from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec, System, content_id
from orchestrator.config.search import Search, load
from orchestrator.config.search_space import Space, search_id, space_of
from orchestrator.errors import UserError
from orchestrator.hyperparameter_search.schedulers import Rules, Scheduler, TrialDecision
from orchestrator.hyperparameter_search.searchers import Searcher
from orchestrator.hyperparameter_search.trial import State, Trial
from orchestrator.storage import Proposal, Store

OWN = "default"


class Study:
    """`trials` and `runs` by number; `proposed_by` says who thought of a trial; `asked` has trials told to stop."""

    def __init__(self, search: Search, resolved: ResolvedExperiment, system: System, store: Store) -> None:
        """Read what was proposed and reported earlier. Raises CorruptResults, and UserError where it does not fit."""
        self.search, self.system = search, system
        self.space: Space = space_of(search, system)
        self._resolved = resolved
        self.metric, self.direction = objective(search, resolved)
        self._sign = 1.0 if self.direction == "maximize" else -1.0
        self._scheduler: Scheduler = load("scheduler", search.scheduler)
        self.trials: dict[int, Trial] = {}
        self.runs: dict[int, RunSpec] = {}
        self.proposed_by: dict[int, str] = {}
        self._is_exhausted = False
        self.own_run = self._run(1, self.space.own)
        key = content_id({"search": search_id(search), "run": self.own_run.run_id})
        self.notebook = store.notebook(key)
        self._recall()

    @property
    def rules(self) -> Rules:
        """What the scheduler goes by."""
        epochs, search = self.system.config.train.epochs, self.search
        planned = len(self.trials) if self._is_exhausted else max(search.trials, len(self.trials))
        return Rules(epochs, planned, search.reduction_factor, search.min_epochs, search.rungs(epochs))

    def settle(self, recorded: Mapping[str, str], scores: Mapping[str, Mapping[int, float]]) -> None:
        """Take in records (run_id -> status) and their epochs, as they stand in the tables."""
        for number, run in self.runs.items():
            if run.run_id in recorded:
                known = {**self.trials[number].scores, **self._signed(scores.get(run.run_id, {}))}
                self.trials[number] = replace(self.trials[number], scores=known)
                self.end(number, recorded[run.run_id])

    def end_proposals(self) -> None:
        """No further trial but the first: the time is up. Those that were begun still end."""
        self._is_exhausted = True

    def next(self) -> tuple[int, bool] | None:
        """A trial to begin or to take up again, and whether only to end it at once; None while there is none."""
        found = self._taken_up()
        if found is not None:
            return found
        proposed = self._propose()
        if proposed is not None:
            return proposed, False
        return self._taken_up()  # those that wait learn only now that nobody else will come

    def report(self, number: int, row: Mapping[str, Any]) -> TrialDecision:
        """An epoch of a trial ended; what is to become of it. A value that is not a number is written down as such."""
        epoch, value = int(row["epoch"]), row.get(f"metric_{self.metric}")
        score = math.nan if value is None else self._sign * float(value)
        trial = self.trials[number]
        if epoch not in trial.scores:
            self.notebook.note(number, epoch, math.nan if value is None else float(value))
        self.trials[number] = replace(trial, scores={**trial.scores, epoch: score})
        return self._decide(number)

    def end(self, number: int, status: str) -> None:
        """The trial's run has a record, or failed for good."""
        self._turn(number, cast("State", status))

    def wait(self, number: int) -> None:
        """The trial's run stopped, with what it has so far."""
        self._turn(number, "waiting")

    @property
    def coming(self) -> int:
        """At most so many runs may still be begun, those included that go on after a pause."""
        states = [trial.state for trial in self.trials.values()]
        return self._unproposed + states.count("waiting") + (states.count("running") if self._scheduler.WAITS else 0)

    @property
    def _unproposed(self) -> int:
        if self._is_exhausted:
            return 0 if self.trials else 1
        return max(0, self.search.trials - len(self.trials))

    @property
    def waiting(self) -> list[int]:
        """The trials that were begun and are not on a lane."""
        return [number for number, trial in self.trials.items() if trial.state == "waiting"]

    @property
    def best(self) -> int | None:
        """The number of the trial that was best on validation items, of those that ran to their end; None: of none."""
        whole = {number: trial.result for number, trial in self.trials.items() if trial.result is not None}
        return max(whole, key=lambda number: (whole[number], -number), default=None)

    def shown(self, signed: float | None) -> float | None:
        """A score as the metric has it; None for none."""
        return None if signed is None or math.isnan(signed) else self._sign * signed

    def _recall(self) -> None:
        scores = self.notebook.scores()
        for found in self.notebook.proposals():
            run = self._run(found.number, found.values)
            if run.run_id != found.run_id:
                raise UserError(
                    f"{self.notebook.folder.uri}: trial {found.number} was proposed as run {found.run_id} and would be "
                    f"{run.run_id} now; choose another --out, or another search.seed"
                )
            known = self._signed(scores.get(found.number, {}))
            self._enter(found.number, found.values, found.proposed_by, run, "waiting", known)
        if self.trials and not self.notebook.exists():
            self._describe()

    def _taken_up(self) -> tuple[int, bool] | None:
        for number in self.waiting:
            decision = self._decide(number)
            if decision != "wait":
                self._turn(number, "running")
                return number, decision == "prune"
        return None

    def _propose(self) -> int | None:
        if not self._unproposed:
            return None
        number = next(number for number in count(1) if number not in self.trials)  # one that was lost is free again
        if number == 1:
            self._describe()
        proposed = self._proposal(number)
        if proposed is None:
            self._is_exhausted = True
            return None
        values, by = proposed
        run = self._run(number, values)
        self.notebook.propose(Proposal(number, run.run_id, by, values))
        self._enter(number, values, by, run, "running", {})
        return number

    def _describe(self) -> None:
        rules = self.rules
        about = {"search": search_id(self.search), "system": self.system.name, "metric": self.metric}
        self.notebook.describe({**about, "epochs": rules.epochs, "rungs": list(rules.rungs)})

    def _proposal(self, number: int) -> tuple[Mapping[str, Any], str] | None:
        """The file's own settings first; afterwards the searcher is asked."""
        if number == 1:
            return dict(self.space.own), OWN
        searcher: Searcher = load("searcher", self.search.searcher)
        values = searcher.propose(self.space.parameters, self.trials, number, self.search.seed)
        return None if values is None else (values, self.search.searcher)

    def _enter(
        self,
        number: int,
        values: Mapping[str, Any],
        by: str,
        run: RunSpec,
        state: Literal["running", "waiting"],
        scores: Mapping[int, float],
    ) -> None:
        self.trials[number] = Trial(number, dict(values), state, scores)
        self.runs[number], self.proposed_by[number] = run, by

    def _run(self, number: int, values: Mapping[str, Any]) -> RunSpec:
        config = self.space.config(values).model_copy(
            update={
                "metric": self.system.config.metric if self.search.metric is None else self.search.metric,
                "direction": self.direction,
            }
        )
        system = replace(self.system, config=config)
        run = self._resolved.run(system, self.search.seed, self._resolved.folds[0])
        trial = {"stage": "search", "search": search_id(self.search), "trial": number, "metric": self.metric}
        return run.model_copy(update={**trial, "keep": False, "keep_epochs": 0})

    def _decide(self, number: int) -> TrialDecision:
        return self._scheduler.decide(self.trials, number, self.rules)

    def _signed(self, scores: Mapping[int, float]) -> dict[int, float]:
        return {epoch: self._sign * score for epoch, score in scores.items()}

    def _turn(self, number: int, state: State) -> None:
        self.trials[number] = replace(self.trials[number], state=state)


def objective(search: Search, resolved: ResolvedExperiment) -> tuple[str, Literal["maximize", "minimize"]]:
    """The name of the metric that is looked for, and which values of it are better."""
    if search.metric is None or search.metric == resolved.metric:
        return resolved.metric, resolved.direction
    assert search.direction is not None, "resolving an experiment fills it in"
    return search.metric, search.direction


def all_runs(studies: Iterable[Study]) -> list[RunSpec]:
    """The runs of every trial so far."""
    return [run for study in studies for run in study.runs.values()]
