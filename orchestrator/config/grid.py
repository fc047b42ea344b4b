"""The cells of an experiment in grid order, and which of them are still to do: resuming is subtraction."""

from __future__ import annotations

from collections.abc import Container, Iterable

from orchestrator.config.resolve import Resolved
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError

MAXIMUM_RUNS = 10_000


def runs(resolved: Resolved, max_runs: int = MAXIMUM_RUNS) -> tuple[RunSpec, ...]:
    """Every cell: seed by seed, in each seed system by system, so that an early stop leaves complete pairs.

    Raises UserError for a grid larger than `max_runs`.
    """
    seeds = resolved.experiment.seeds
    size = len(seeds) * len(resolved.folds) * len(resolved.systems)
    if size > max_runs:
        parts = f"{len(resolved.systems)} systems x {len(seeds)} seeds x {len(resolved.folds)} folds"
        raise UserError(f"the grid has {size} runs ({parts}); the limit is {max_runs}: raise it with --max-runs {size}")
    return tuple(
        resolved.run(system, seed, fold) for seed in seeds for fold in resolved.folds for system in resolved.systems
    )


def pending(grid: Iterable[RunSpec], recorded: Container[str]) -> list[RunSpec]:
    """Cells without a committed record, in grid order, but for those that this machine does not support.

    A failure is an attempt, so failed cells are pending.
    """
    return [run for run in grid if run.run_id not in recorded and run.unsupported is None]
