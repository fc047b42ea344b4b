"""Executes runs in their order: adaptations first, then the others, which may begin with adapted weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.commands.events import Notifier
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import Executor
from orchestrator.executors.scale import Scale
from orchestrator.storage import Store, init_from
from orchestrator.units import plural


def execute(
    executor: Executor,
    runs: Sequence[RunSpec],
    store: Store,
    notify: Notifier,
    is_stopped: Callable[[], bool],
    grid: Sequence[RunSpec],
) -> None:
    """Execute every run that can begin. Which cannot, and why, is a message; these stay pending.

    `grid` has all runs of the experiment, done or not: lanes are laid out for it.
    """
    first = [run for run in runs if run.stage == "adapt"]
    if first:
        executor.execute(first, notify, scale=Scale.of(run for run in grid if run.stage == "adapt"))
    if is_stopped():
        return
    ready = [run for run in runs if run.stage != "adapt" and init_from.problem(store, run) is None]
    _explain_others(store, [run for run in runs if run.stage != "adapt" and run not in ready], notify)
    if ready:
        executor.execute(ready, notify, scale=Scale.of(run for run in grid if run.stage != "adapt"))


def _explain_others(store: Store, waiting: Sequence[RunSpec], notify: Notifier) -> None:
    for system in dict.fromkeys(run.system for run in waiting):
        runs = [run for run in waiting if run.system == system]
        notify.message(f"{plural(len(runs), 'run')} of {system} not executed: {init_from.problem(store, runs[0])}")
