"""The search of one system: its trials so far, which one to start next, and what becomes of the others.

Everything is decided from proposals, scores and records on disk; there is no other state.
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
    """`trials`, their `runs` and what they were `proposed_by`, each by the number of the trial."""

    def __init__(self, search: Search, resolved: ResolvedExperiment, system: System, store: Store) -> None:
        """Read earlier proposals and scores. Raises CorruptResults, and UserError if they do not fit the experiment."""
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
        self.trial_log = store.trial_log(key)
        self._load()

    @property
    def rules(self) -> Rules:
        """What the scheduler decides by."""
        epochs, search = self.system.config.train.epochs, self.search
        planned = len(self.trials) if self._is_exhausted else max(search.trials, len(self.trials))
        return Rules(epochs, planned, search.reduction_factor, search.min_epochs, search.rungs(epochs))

    def settle(self, recorded: Mapping[str, str], scores: Mapping[str, Mapping[int, float]]) -> None:
        """Apply what the tables hold: statuses (run_id -> status) and scores (run_id -> epoch -> score)."""
        for number, run in self.runs.items():
            if run.run_id in recorded:
                known = {**self.trials[number].scores, **self._signed(scores.get(run.run_id, {}))}
                self.trials[number] = replace(self.trials[number], scores=known)
                self.end(number, recorded[run.run_id])

    def end_proposals(self) -> None:
        """Propose no further trial except the first, because time is up. Trials that have started still go on."""
        self._is_exhausted = True

    def next(self) -> tuple[int, bool] | None:
        """Return a trial to start or resume, and whether only to end it at once; None while there is none."""
        resumed = self._resume()
        if resumed is not None:
            return resumed
        proposed = self._propose()
        if proposed is not None:
            return proposed, False
        return self._resume()  # only now do waiting trials know that no other one will come

    def report(self, number: int, row: Mapping[str, Any]) -> TrialDecision:
        """Store the score of a trial's epoch and decide what becomes of the trial. NaN is stored, too."""
        epoch, value = int(row["epoch"]), row.get(f"metric_{self.metric}")
        score = math.nan if value is None else self._sign * float(value)
        trial = self.trials[number]
        if epoch not in trial.scores:
            self.trial_log.add_score(number, epoch, math.nan if value is None else float(value))
        self.trials[number] = replace(trial, scores={**trial.scores, epoch: score})
        return self._decide(number)

    def end(self, number: int, status: str) -> None:
        """End a trial: its run has a record, or failed for good."""
        self._set_state(number, cast("State", status))

    def wait(self, number: int) -> None:
        """Let a trial wait: its run stopped, and keeps what it has so far."""
        self._set_state(number, "waiting")

    @property
    def coming(self) -> int:
        """The most runs that may still start, including those that resume after a pause."""
        states = [trial.state for trial in self.trials.values()]
        return self._unproposed + states.count("waiting") + (states.count("running") if self._scheduler.WAITS else 0)

    @property
    def _unproposed(self) -> int:
        if self._is_exhausted:
            return 0 if self.trials else 1
        return max(0, self.search.trials - len(self.trials))

    @property
    def waiting(self) -> list[int]:
        """The trials that have started, have not ended, and are not on a lane."""
        return [number for number, trial in self.trials.items() if trial.state == "waiting"]

    @property
    def best(self) -> int | None:
        """The number of the trial with the best validation score, of those that ran to their end; None if none did."""
        whole = {number: trial.result for number, trial in self.trials.items() if trial.result is not None}
        return max(whole, key=lambda number: (whole[number], -number), default=None)

    def shown(self, signed: float | None) -> float | None:
        """Return a score with the metric's own sign; None if it is missing or NaN."""
        return None if signed is None or math.isnan(signed) else self._sign * signed

    def _load(self) -> None:
        scores = self.trial_log.scores()
        for proposal in self.trial_log.proposals():
            number, run = proposal.number, self._run(proposal.number, proposal.values)
            if run.run_id != proposal.run_id:
                raise UserError(
                    f"{self.trial_log.folder.uri}: trial {number} was proposed as run {proposal.run_id} and would be "
                    f"{run.run_id} now; choose another --out, or another search.seed"
                )
            known = self._signed(scores.get(number, {}))
            self._enter(number, proposal.values, proposal.proposed_by, run, "waiting", known)
        if self.trials and not self.trial_log.exists():
            self._describe()

    def _resume(self) -> tuple[int, bool] | None:
        for number in self.waiting:
            decision = self._decide(number)
            if decision != "wait":
                self._set_state(number, "running")
                return number, decision == "prune"
        return None

    def _propose(self) -> int | None:
        if not self._unproposed:
            return None
        number = next(number for number in count(1) if number not in self.trials)  # lost numbers are free
        if number == 1:
            self._describe()
        proposed = self._proposal(number)
        if proposed is None:
            self._is_exhausted = True
            return None
        values, by = proposed
        run = self._run(number, values)
        self.trial_log.propose(Proposal(number, run.run_id, by, values))
        self._enter(number, values, by, run, "running", {})
        return number

    def _describe(self) -> None:
        rules = self.rules
        about = {"search": search_id(self.search), "system": self.system.name, "metric": self.metric}
        self.trial_log.describe({**about, "epochs": rules.epochs, "rungs": list(rules.rungs)})

    def _proposal(self, number: int) -> tuple[Mapping[str, Any], str] | None:
        """Propose the file's own settings first, then what the searcher proposes."""
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

    def _set_state(self, number: int, state: State) -> None:
        self.trials[number] = replace(self.trials[number], state=state)


def objective(search: Search, resolved: ResolvedExperiment) -> tuple[str, Literal["maximize", "minimize"]]:
    """Return the name of the metric to optimize, and which values of it are better."""
    if search.metric is None or search.metric == resolved.metric:
        return resolved.metric, resolved.direction
    assert search.direction is not None, "resolving an experiment fills it in"
    return search.metric, search.direction


def all_runs(studies: Iterable[Study]) -> list[RunSpec]:
    """Return the runs of every trial so far."""
    return [run for study in studies for run in study.runs.values()]
