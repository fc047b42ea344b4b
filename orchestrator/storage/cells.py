"""What a results directory says about a run before it has run: the columns that follow from its spec."""

from __future__ import annotations

from typing import Any

from orchestrator.config.run_spec import RunSpec


def spec_columns(run: RunSpec) -> dict[str, Any]:
    """Return the columns of the `runs` table that follow from the specification alone."""
    config = run.config
    return {
        "run_id": run.run_id,
        "settings_id": run.settings_id,
        "experiment": run.experiment,
        "stage": run.stage,
        "task": config.task,
        "dataset": config.data.label,
        "dataset_fingerprint": config.data.fingerprint,
        "model": config.model.name,
        "model_revision": config.model.revision,
        "recipe": run.recipe,
        "system": run.system,
        "control": run.control,
        "seed": config.seed,
        "split_seed": config.split_seed,
        "fold": config.fold,
        "metric": run.metric,
        "precision": config.model.precision,
        "init_from": config.init_from,
    }


def cell_columns(run: RunSpec) -> dict[str, Any]:
    """Return what a results directory stores about a cell of its grid.

    These are the columns of the spec, why the run is unsupported, and the trial of a search that had its settings.
    """
    more = {"unsupported": run.unsupported, "winner_of": run.winner_of}
    return {**spec_columns(run), **{name: value for name, value in more.items() if value is not None}}
