"""What a results directory says of a run before it has run: the columns that follow from its spec."""

from __future__ import annotations

from typing import Any

from orchestrator.config.run_spec import RunSpec


def spec_columns(run: RunSpec) -> dict[str, Any]:
    """The columns of the `runs` table that the specification alone decides."""
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
    """What a results directory remembers of a cell of its grid.

    The same, why it could not run there, and the trial of a search whose settings it has.
    """
    more = {"unsupported": run.unsupported, "winner_of": run.winner_of}
    return {**spec_columns(run), **{name: value for name, value in more.items() if value is not None}}
