"""`orchestrate run`: runs one cell in this process, without Ray, or with several processes under torchrun."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.commands import _execution
from orchestrator.commands._execution import LayoutOptions, executor_for, is_one_of_several
from orchestrator.commands.events import Event, Listener, Message, Notifier, ignore
from orchestrator.commands.sweep import check_fingerprint
from orchestrator.config.data_check import check_data
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import EXIT_FAILED_RUNS, UserError
from orchestrator.executors.events import RunFailed, RunFinished
from orchestrator.storage import Store
from orchestrator.storage.cells import spec_columns
from orchestrator.storage.find_results import default_out
from orchestrator.storage.init_from import check_init_from

if TYPE_CHECKING:
    from orchestrator.executors.torchrun import Ranks


@dataclass(frozen=True)
class CellResult:
    """How a single run ended. `ran` is False if it had a record already; `score` is known only if it ran.

    Show `out`, open `address`: the address may hold credentials.
    """

    run: RunSpec
    out: str
    ran: bool
    status: str
    score: float | None = None
    error: str | None = None
    address: str = field(kw_only=True, repr=False)

    @property
    def exit_code(self) -> int:
        """Return 0 for a run with a score."""
        return 0 if self.status in ("completed", "collapsed", "pruned") else EXIT_FAILED_RUNS


def in_ranks(lead: Callable[[Ranks | None], int]) -> int:
    """Call `lead` and return its exit code, alone or as rank 0 of the processes that torchrun started.

    The other ranks execute what rank 0 does, print only what rank 0 does not know, and return 0: the exit code is rank
    0's. Raises PartialFailure if ranks no longer compute together.
    """
    if not is_one_of_several():
        return lead(None)
    from orchestrator.executors.torchrun import joined

    with joined() as ranks:
        if ranks.group.is_main:
            return ranks.lead(lead)
        _follow(ranks)
        return 0


def run_cell(
    resolved: ResolvedExperiment,
    fold: int | None,
    listener: Listener = ignore,
    out: str | None = None,
    ranks: Ranks | None = None,
) -> CellResult:
    """Run the only system and seed of `resolved`. An experiment already recorded in the results stays unchanged.

    `ranks` compute it together. Raises UserError if `fold` is missing or not one of the folds, and what a sweep raises.
    """
    run = resolved.run(resolved.systems[0], resolved.experiment.seeds[0], _fold(resolved, fold))
    if run.unsupported is not None:
        raise UserError(f"{run.system} is unsupported on this machine: {run.unsupported}")
    needed = [earlier for earlier in resolved.adaptations if earlier.run_id == run.config.init_from]
    check_data(resolved)
    store = Store.open(out or default_out(resolved.experiment.experiment))
    with store.lock():
        store.probe()
        check_fingerprint(store, resolved, accept=False)
        if store.experiment() is None:
            cells = [spec_columns(cell) for cell in (*needed, run)]
            store.write_experiment(resolved.experiment.model_dump(mode="json"), cells)
        if store.survey().lost:
            store.compact()
        recorded = store.recorded()
        if run.run_id in recorded:
            return CellResult(run, store.location, ran=False, status=recorded[run.run_id], address=store.address)
        check_init_from(store, [run], needed)
        first = [earlier for earlier in needed if earlier.run_id not in recorded]
        result = _execute(resolved, [*first, run], store, listener, ranks)
        store.compact()
    return result


def _follow(ranks: Ranks) -> None:
    from orchestrator.executors.in_process import InProcess

    logging.disable(logging.WARNING)  # rank 0 logs what all ranks notice
    for order in ranks.assigned_work():
        store = Store.open(order.out, order.owner)
        executor = InProcess(
            store, limits=order.limits, run_layout=order.layout, provenance=order.provenance, ranks=ranks
        )
        executor.execute(order.runs, ignore)


def _execute(
    resolved: ResolvedExperiment, runs: Sequence[RunSpec], store: Store, listener: Listener, ranks: Ranks | None
) -> CellResult:
    """Execute the last of `runs`, after the runs that it starts from."""
    run = runs[-1]
    last: list[Event] = []
    messages: list[str] = []
    executor = executor_for(store, resolved, LayoutOptions(in_process=True, attempts=1), ranks)

    def on_event(event: Event) -> None:
        if isinstance(event, Message):
            messages.append(event.text)
            return
        last[:] = [event] if isinstance(event, RunFinished | RunFailed) and event.run_id == run.run_id else last
        listener(event)

    notify = Notifier(on_event)
    with notify.executing(runs, {}):
        _execution.execute(executor, runs, store, notify, lambda: False, runs)
    event = last[0] if last else None
    if isinstance(event, RunFinished):
        return CellResult(run, store.location, True, event.status, event.score, event.error, address=store.address)
    error = event.error if isinstance(event, RunFailed) else "\n".join(messages) or None
    return CellResult(run, store.location, True, "failed", error=error, address=store.address)


def _fold(resolved: ResolvedExperiment, fold: int | None) -> int | None:
    if fold in resolved.folds:
        return fold
    if resolved.folds == (None,):
        raise UserError("the experiment has no folds; drop --fold")
    raise UserError(f"the experiment has folds 0 to {len(resolved.folds) - 1}; choose one with --fold")
