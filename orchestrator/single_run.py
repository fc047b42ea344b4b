"""One cell in this process, without Ray: to see what a run does, and under torchrun with several processes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from orchestrator.errors import EXIT_FAILED_RUNS, UserError
from orchestrator.executors.events import Event, RunFailed, RunFinished
from orchestrator.layout import LayoutOptions, executor_for
from orchestrator.places import default_out
from orchestrator.screen.progress import Progress
from orchestrator.spec.data_check import check_data
from orchestrator.spec.resolve import Resolved
from orchestrator.spec.run_spec import RunSpec
from orchestrator.storage import Store
from orchestrator.storage.records import spec_columns
from orchestrator.sweeping import Watch, check_fingerprint


@dataclass(frozen=True)
class CellResult:
    """How a single run ended. `ran` is False where it had a record already; `score` is known only where it ran."""

    run: RunSpec
    out: str
    ran: bool
    status: str
    score: float | None = None
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """0 for a run with a score."""
        return 0 if self.status in ("completed", "collapsed", "pruned") else EXIT_FAILED_RUNS


def run_cell(resolved: Resolved, fold: int | None, watch: Watch, out: str | None = None) -> CellResult:
    """Run the only system and seed of `resolved`. The experiment that the results are of stays what it is.

    Raises UserError where a fold is missing or too many, and what a sweep raises.
    """
    run = resolved.run(resolved.systems[0], resolved.experiment.seeds[0], _fold(resolved, fold))
    check_data(resolved)
    store = Store.open(out or default_out(resolved.experiment.experiment))
    is_main = os.environ.get("RANK", "0") == "0"
    with store.lock() if is_main else contextlib.nullcontext():
        if is_main:
            store.probe()
            check_fingerprint(store, resolved, accept=False)
            if store.experiment() is None:
                store.write_experiment(resolved.experiment.model_dump(mode="json"), [spec_columns(run)])
        recorded = store.recorded()
        if run.run_id in recorded:
            return CellResult(run, store.location, ran=False, status=recorded[run.run_id])
        result = _execute(resolved, run, store, watch)
        if is_main:
            store.compact()
    return result


def _execute(resolved: Resolved, run: RunSpec, store: Store, watch: Watch) -> CellResult:
    last: list[Event] = []
    executor = executor_for(store, resolved.experiment.resources, LayoutOptions(in_process=True, attempts=1))
    with watch(Progress([run], {})) as show:

        def on_event(event: Event) -> None:
            last[:] = [event] if isinstance(event, RunFinished | RunFailed) else last
            show(event)

        executor.execute([run], on_event)
    event = last[0] if last else None
    if isinstance(event, RunFinished):
        return CellResult(run, store.location, True, event.status, event.score, event.error)
    error = event.error if isinstance(event, RunFailed) else None
    return CellResult(run, store.location, True, "failed", error=error)


def _fold(resolved: Resolved, fold: int | None) -> int | None:
    if fold in resolved.folds:
        return fold
    if resolved.folds == (None,):
        raise UserError("the experiment has no folds; drop --fold")
    raise UserError(f"the experiment has folds 0 to {len(resolved.folds) - 1}; choose one with --fold")
