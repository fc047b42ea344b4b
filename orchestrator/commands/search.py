"""`orchestrate search`: locks, checks, runs trials until the budget is spent; a second call continues."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from analysis.tables.trials import trials_table
from orchestrator import html_tables
from orchestrator.commands import _execution
from orchestrator.commands._execution import EXIT_OF_SIGNALS, Compacting, executor_for, refuse_torchrun, stopping
from orchestrator.commands.events import Listener, Notifier, RunAdded, TrialsExpected, ignore
from orchestrator.commands.sweep import SweepOptions, check_fingerprint
from orchestrator.config.data_check import DataFacts, check_data
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec, System
from orchestrator.config.search import Search
from orchestrator.errors import EXIT_ENVIRONMENT, EXIT_FAILED_RUNS, UserError
from orchestrator.executors.events import Scale
from orchestrator.hyperparameter_search.driver import SearchRunSource
from orchestrator.hyperparameter_search.study import Study, all_runs
from orchestrator.hyperparameter_search.trial import State
from orchestrator.hyperparameter_search.trials_table import seconds_spent, trial_rows, update_from_tables
from orchestrator.storage import Store, init_from
from orchestrator.storage.find_results import default_out
from orchestrator.storage.status import failed_runs
from orchestrator.units import plural

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class SearchResult:
    """How a search ended. `ran`: runs recorded by this call. `problems`: the damage that compaction reported.

    Show `out`, open `address`: the address may hold credentials.
    """

    out: str
    studies: tuple[Study, ...]
    ran: int
    exit_code: int
    facts: DataFacts
    problems: tuple[str, ...] = ()
    address: str = field(kw_only=True, repr=False)

    def count(self, state: State) -> int:
        """Return how many trials are in a state."""
        return sum(trial.state == state for study in self.studies for trial in study.trials.values())

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal ended it."""
        return self.exit_code > EXIT_OF_SIGNALS

    @property
    def finished(self) -> bool:
        """Whether the budget is spent and every trial has a record."""
        return all(study.coming == 0 for study in self.studies) and not self.count("failed")

    @property
    def best(self) -> dict[str, dict[str, Any]]:
        """The best settings of each system that has any, dotted key to value."""
        return {
            study.system.name: dict(study.trials[study.best].values) for study in self.studies if study.best is not None
        }

    def _repr_html_(self) -> str:
        rows = [[study.system.name, len(study.trials), *_best_of(study)] for study in self.studies]
        table = html_tables.table(["system", "trials", "best score", "best settings"], rows)
        return html_tables.paragraph(f"results: {self.out}") + table + html_tables.paragraphs(self.problems)


def _best_of(study: Study) -> list[Any]:
    """Return score and settings of the best trial, for people."""
    if study.best is None:
        return [None, None]
    trial = study.trials[study.best]
    return [study.shown(trial.result), ", ".join(f"{key} = {value}" for key, value in trial.values.items())]


def search(resolved: ResolvedExperiment, options: SweepOptions, listener: Listener = ignore) -> SearchResult:
    """Spend the budget of the experiment's `search`; `listener` is called with each event, one at a time.

    Raises UserError (its exit_code says which kind), DataError or an ExecutorError. What was written by then stays, and
    the next call continues from it.
    """
    refuse_torchrun()
    notify = Notifier(listener)
    settings = search_settings(resolved)
    facts = check_data(resolved, strict=options.strict)
    store = Store.open(options.out or default_out(resolved.experiment.experiment))
    store.probe()
    with store.lock():
        check_fingerprint(store, resolved, options.accept_new_data)
        for line in store.write_experiment(resolved.experiment.model_dump(mode="json"), store.cells()):
            notify.message(f"changed since the last time here: {line}")
        store.write_notes(facts.warnings)
        problems = store.compact().problems
        studies = _studies(settings, resolved, store, options.retry)
        before = store.recorded()
        compacting = Compacting(store, len(before))
        notify.also(compacting)
        try:
            code = _execute(resolved, store, options, studies, notify)
        finally:
            problems += compacting.problems + store.compact().problems
            update_from_tables(store, studies)
            store.write_trials(trials_table(trial_rows(store, settings, studies)))
    ran = len(set(store.recorded()) - set(before))
    return SearchResult(store.location, tuple(studies), ran, code, facts, problems, address=store.address)


def search_settings(resolved: ResolvedExperiment) -> Search:
    """Return the experiment's `search`. Raises UserError if it has none, or if its seed is not a fresh one."""
    settings = resolved.experiment.search
    if settings is None:
        raise UserError(
            f"{resolved.experiment.experiment} has no `search` part; add one, e.g. "
            "--set 'search={parameters: {train.learning_rate: {loguniform: [1e-5, 1e-3]}}, trials: 20}'"
        )
    if settings.seed in resolved.experiment.seeds:
        raise UserError(
            f"search.seed is {settings.seed}, one of the experiment's seeds; choose another one, so that winners can "
            "be compared with fresh seeds"
        )
    return settings


def with_winners(resolved: ResolvedExperiment, studies: Sequence[Study]) -> ResolvedExperiment:
    """Return the experiment with each system at the values of its best trial; systems without one are left out."""
    best = {study.system.name: _winner(study, study.best) for study in studies if study.best is not None}
    return replace(resolved, systems=tuple(best[system.name] for system in resolved.systems if system.name in best))


def _winner(study: Study, number: int) -> System:
    config = study.space.config(study.trials[number].values)
    return replace(study.system, config=config, winner_of=study.runs[number].run_id)


def _studies(settings: Search, resolved: ResolvedExperiment, store: Store, retry: bool) -> list[Study]:
    """Return what is known of every system that this machine can run."""
    systems = [system for system in resolved.systems if system.unsupported is None]
    studies = [Study(settings, resolved, system, store) for system in systems]
    update_from_tables(store, studies)
    for study in () if retry else studies:
        failed = failed_runs(store, [study.runs[number].run_id for number in study.waiting])
        for number in study.waiting:
            if study.runs[number].run_id in failed:
                study.end(number, "failed")
    return studies


def _execute(
    resolved: ResolvedExperiment, store: Store, options: SweepOptions, studies: Sequence[Study], notify: Notifier
) -> int:
    """Execute missing adaptations, then trials; return the exit code."""
    adaptations = [run for run in resolved.adaptations if store.status(run.run_id) is None]
    init_from.check_init_from(store, [study.own_run for study in studies], resolved.adaptations)
    executor = executor_for(store, resolved, options.layout)
    notify.message(_size_message(studies))
    recorded = store.recorded()
    with stopping(executor, notify.message) as signals, notify.executing(all_runs(studies), recorded):

        def is_stopped() -> bool:
            return signals.exit_code is not None

        def add(run: RunSpec) -> None:
            notify(RunAdded(run))

        for study in studies:
            notify(TrialsExpected(study.system.name, study.rules.trials, tuple(study.rules.rungs)))
        for run in adaptations:
            add(run)
        _execution.execute(executor, adaptations, store, notify, is_stopped, resolved.adaptations)
        ready = [] if is_stopped() else _ready(store, studies, notify)
        run_source = SearchRunSource(ready, _is_time_up(store, ready), add)
        executor.execute(run_source.first(), notify, run_source, _scale(studies))
    if signals.exit_code is not None:
        return signals.exit_code
    if notify.unwritable:
        return EXIT_ENVIRONMENT
    failed = any(trial.state in ("failed", "waiting") for study in studies for trial in study.trials.values())
    return EXIT_FAILED_RUNS if failed or len(ready) < len(studies) else 0


def _scale(studies: Sequence[Study]) -> Scale:
    """Return the scale of the whole search; what was proposed so far does not matter."""
    own = Scale.of(study.own_run for study in studies)
    return replace(own, runs=sum(study.search.trials for study in studies))


def _ready(store: Store, studies: Sequence[Study], notify: Notifier) -> list[Study]:
    """Return the systems whose runs can start; messages say why the others cannot."""
    ready = []
    for study in studies:
        why = init_from.problem(store, study.own_run)
        if why is None:
            ready.append(study)
        else:
            notify.message(f"no trials of {study.system.name}: {why}")
    return ready


def _is_time_up(store: Store, studies: Sequence[Study]) -> Callable[[], bool]:
    """Return a check of whether `search.hours` have been spent, earlier calls included."""
    hours = studies[0].search.hours if studies else None
    if hours is None:
        return lambda: False
    return partial(_is_past, time.monotonic() + hours * SECONDS_PER_HOUR - seconds_spent(store, studies))


def _is_past(deadline: float) -> bool:
    return time.monotonic() >= deadline


def _size_message(studies: Sequence[Study]) -> str:
    """Describe the size of the search."""
    trials = [trial for study in studies for trial in study.trials.values()]
    planned, over = sum(study.rules.trials for study in studies), sum(trial.is_over for trial in trials)
    search = studies[0].search
    by = f"{search.searcher} and {search.scheduler}"
    return f"{plural(planned, 'trial')} of {plural(len(studies), 'system')} by {by}, {over} recorded"
