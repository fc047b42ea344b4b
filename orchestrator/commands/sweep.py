"""`orchestrate sweep`: locks, checks, executes cells without a record, compacts, counts; a second call resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from orchestrator import html_tables
from orchestrator.commands import _execution
from orchestrator.commands._execution import (
    Compacting,
    LayoutOptions,
    StopSignals,
    executor_for,
    refuse_torchrun,
    stopping,
)
from orchestrator.commands.events import Listener, Notifier, ignore
from orchestrator.config import resolve
from orchestrator.config.data_check import DataFacts, check_data
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import EXIT_ENVIRONMENT, EXIT_FAILED_RUNS
from orchestrator.storage import Store
from orchestrator.storage.cells import cell_columns
from orchestrator.storage.find_results import default_out
from orchestrator.storage.init_from import check_init_from, keep_the_best
from orchestrator.storage.status import Status, failed_runs, summarise


@dataclass(frozen=True)
class SweepOptions:
    """How a grid is executed. `out` None means `results/<experiment>`; `retry`: try failed runs again."""

    out: str | None = None
    layout: LayoutOptions = field(default_factory=LayoutOptions)
    accept_new_data: bool = False
    retry: bool = True
    strict: bool = False
    max_runs: int = resolve.MAXIMUM_RUNS


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended. `ran`: runs recorded by this call. `problems`: the damage that compaction reported.

    Show `out`, open `address`: the address may hold credentials.
    """

    status: Status
    out: str
    ran: int
    exit_code: int
    facts: DataFacts
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    address: str = field(kw_only=True, repr=False)

    @property
    def finished(self) -> bool:
        """Whether every cell of the grid has a record."""
        counts = self.status.counts
        return counts["failed"] == counts["pending"] == 0

    def _repr_html_(self) -> str:
        warnings = html_tables.paragraphs((*self.facts.warnings, *self.problems))
        return html_tables.paragraph(f"results: {self.out}") + html_tables.table(*self.status.table()) + warnings


def sweep(resolved: ResolvedExperiment, options: SweepOptions, listener: Listener = ignore) -> SweepResult:
    """Execute every cell without a record; `listener` is called with each event, one at a time.

    Raises UserError (its exit_code says which kind), DataError or an ExecutorError; records written by then stay.
    """
    refuse_torchrun()
    notify = Notifier(listener)
    compared = resolve.grid_runs(resolved, options.max_runs)
    cells = (*resolved.adaptations, *compared)
    facts = check_data(resolved, strict=options.strict)
    store = Store.open(options.out or default_out(resolved.experiment.experiment))
    store.probe()
    with store.lock():
        check_fingerprint(store, resolved, options.accept_new_data)
        columns = [cell_columns(run) for run in cells]
        changed = store.write_experiment(resolved.experiment.model_dump(mode="json"), columns)
        store.write_notes(facts.warnings)
        for line in changed:
            notify.message(f"changed since the last sweep here: {line}")
        before, problems = _recorded(store)
        pending = resolve.pending(cells, before)
        remaining = to_do(store, pending, options.retry)
        check_init_from(store, remaining, resolved.adaptations)
        possible = [run for run in cells if run.unsupported is None or run.run_id in before]
        compacting = Compacting(store, len(before))
        notify.also(compacting)
        notify.message(_size_message(cells, possible, pending, remaining))
        signal_code = _execute(resolved, store, options, remaining, (possible, before), notify)
        if remaining or not before:
            problems += compacting.problems + store.compact().problems
        if resolved.experiment.save == "best-per-system":
            keep_the_best(store, compared)
    after = store.recorded() if remaining else before
    status = summarise(store, columns, after)
    code = signal_code if signal_code is not None else _exit_code(status, notify.unwritable)
    ran = len(set(after) - set(before))
    return SweepResult(status, store.location, ran, code, facts, changed, problems, address=store.address)


def _size_message(
    cells: Sequence[RunSpec], possible: Sequence[RunSpec], pending: Sequence[RunSpec], remaining: Sequence[RunSpec]
) -> str:
    """Describe the size of the grid; name the systems that this machine cannot run, with the reason."""
    text = f"{len(cells)} runs, {len(possible) - len(pending)} recorded, {len(remaining)} to do"
    left_in = {run.run_id for run in possible}
    left_out = {run.system: run.unsupported for run in cells if run.run_id not in left_in}
    return "\n".join([text, *(f"{system} is unsupported on this machine: {why}" for system, why in left_out.items())])


def _recorded(store: Store) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the whole records, and what was damaged or lost: repaired now, or set aside for this sweep to rerun."""
    survey = store.survey()
    if not (survey.recorded or survey.lost or survey.damaged):
        return {}, ()
    problems = store.compact().problems
    return store.recorded() if problems else survey.recorded, problems


def _exit_code(status: Status, unwritable: bool) -> int:
    """Return the exit code; a record that could not be written is the environment's failure, not the run's."""
    if unwritable:
        return EXIT_ENVIRONMENT
    return EXIT_FAILED_RUNS if unsound(status) else 0


def unsound(status: Status) -> bool:
    """Return whether a cell of the grid failed, diverged or was left undone."""
    return any(status.counts[name] for name in ("failed", "pending", "diverged"))


def check_fingerprint(store: Store, resolved: ResolvedExperiment, accept: bool) -> None:
    """Refuse data other than the records here were made with; a limited data set counts as a different one."""
    adapt = resolved.experiment.adapt
    for data in (resolved.experiment.data, *(() if adapt is None else (adapt.data,))):
        assert data.fingerprint is not None
        name = data.label if data.limit is None else f"{data.label} (first {data.limit} items)"
        store.check_fingerprint(name, data.fingerprint, accept)


def to_do(store: Store, pending: Sequence[RunSpec], retry: bool) -> list[RunSpec]:
    """Return the pending runs that this sweep executes: all of them, or those that have not failed before."""
    if retry:
        return list(pending)
    failed = failed_runs(store, [run.run_id for run in pending])
    return [run for run in pending if run.run_id not in failed]


def _is_set(signals: StopSignals) -> bool:
    return signals.exit_code is not None


def _execute(
    resolved: ResolvedExperiment,
    store: Store,
    options: SweepOptions,
    remaining: Sequence[RunSpec],
    known: tuple[Sequence[RunSpec], Mapping[str, str]],
    notify: Notifier,
) -> int | None:
    """Execute the remaining runs; return the exit code of a signal that came meanwhile, or None.

    `known`: every run that this machine can execute, and the statuses of the runs with a record.
    """
    if not remaining:
        return None
    executor = executor_for(store, resolved, options.layout)
    try:
        with stopping(executor, notify.message) as signals, notify.executing(*known):
            _execution.execute(executor, remaining, store, notify, partial(_is_set, signals), known[0])
    except Exception:
        store.compact()
        raise
    return signals.exit_code
