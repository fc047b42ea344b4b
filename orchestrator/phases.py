"""Executes runs in their order: adaptations first, then the others, which may begin with adapted weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator import starts
from orchestrator.executors import Executor
from orchestrator.executors.events import Event
from orchestrator.executors.scale import Scale
from orchestrator.screen.console import plural
from orchestrator.spec.run_spec import RunSpec
from orchestrator.storage import Store


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
    ready = [run for run in runs if run.stage != "adapt" and starts.problem(store, run) is None]
    _tell_of_others(store, [run for run in runs if run.stage != "adapt" and run not in ready], tell)
    if ready:
        executor.execute(ready, on_event, scale=Scale.of(run for run in grid if run.stage != "adapt"))


def _tell_of_others(store: Store, waiting: Sequence[RunSpec], tell: Callable[[str], None]) -> None:
    for system in dict.fromkeys(run.system for run in waiting):
        runs = [run for run in waiting if run.system == system]
        tell(f"{plural(len(runs), 'run')} of {system} not executed: {starts.problem(store, runs[0])}")
