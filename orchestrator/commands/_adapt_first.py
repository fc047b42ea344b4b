"""Executes runs in their order: adaptations first, then the others, which may begin with adapted weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.config.run_spec import RunSpec
from orchestrator.console.console import plural
from orchestrator.executors import Executor
from orchestrator.executors.events import Event
from orchestrator.executors.scale import Scale
from orchestrator.storage import Store, init_from


def execute(
    executor: Executor,
    runs: Sequence[RunSpec],
    store: Store,
    on_event: Callable[[Event], None],
    tell: Callable[[str], None],
    is_stopped: Callable[[], bool],
    grid: Sequence[RunSpec],
) -> None:
    """Execute every run that can begin. `tell` hears which cannot, and why; these stay pending.

    `grid` has all runs of the experiment, done or not: lanes are laid out for it.
    """
    first = [run for run in runs if run.stage == "adapt"]
    if first:
        executor.execute(first, on_event, scale=Scale.of(run for run in grid if run.stage == "adapt"))
    if is_stopped():
        return
    ready = [run for run in runs if run.stage != "adapt" and init_from.problem(store, run) is None]
    _tell_of_others(store, [run for run in runs if run.stage != "adapt" and run not in ready], tell)
    if ready:
        executor.execute(ready, on_event, scale=Scale.of(run for run in grid if run.stage != "adapt"))


def _tell_of_others(store: Store, waiting: Sequence[RunSpec], tell: Callable[[str], None]) -> None:
    for system in dict.fromkeys(run.system for run in waiting):
        runs = [run for run in waiting if run.system == system]
        tell(f"{plural(len(runs), 'run')} of {system} not executed: {init_from.problem(store, runs[0])}")
