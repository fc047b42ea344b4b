"""One row a searched system: what became of its trials, what they cost, and what the best one gained."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.config import Direction
from analysis.tables.schema import STATUSES
from analysis.tables.trials import PENDING

SUMMARY_COLUMNS = (
    "system", "model", "recipe", "trials", *STATUSES, PENDING, "epochs_run", "epochs_to_the_end", "epochs_share",
    "seconds", "default_score", "best_score", "gain", "best_trial", "best_run_id",
    "best_proposed_by", "best_parameters",
)  # fmt: skip


def summarize(standing: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """SUMMARY_COLUMNS of the trials as `standing` gives them, in its order of systems.

    `epochs_to_the_end`: what running every trial to its end would have taken, pending ones included; `epochs_share` is
    `epochs_run` of them. `default_score`: of the first trial, which has the experiment's own settings; `gain`: by how
    much the best trial is better than it, positive where it is. Missing where a number does not exist.
    """
    sign = 1.0 if direction == "maximize" else -1.0
    rows = [_row(own, sign) for _, own in standing.groupby("place", sort=True)]
    frame = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    numbers = ["epochs_run", "epochs_to_the_end", "epochs_share", "seconds", "default_score", "best_score", "gain"]
    return frame.astype({**dict.fromkeys(numbers, "float64"), "best_trial": "Int64"})


def _row(own: pd.DataFrame, sign: float) -> dict[str, Any]:
    counts = own["status"].value_counts()
    best = own[own["is_best"]]
    default = own.loc[own["proposed_by"] == "default", "value"]
    run, whole = own["epochs"].sum(), own["whole_epochs"].sum(min_count=len(own))
    row: dict[str, Any] = {
        **{name: own.iloc[0][name] for name in ("system", "model", "recipe")},
        "trials": len(own),
        **{status: int(counts.get(status, 0)) for status in (*STATUSES, PENDING)},
        "epochs_run": run,
        "epochs_to_the_end": whole,
        "epochs_share": run / whole if whole > 0 else None,
        "seconds": own["seconds"].sum(min_count=1),
        "default_score": default.iloc[0] if len(default) else None,
    }
    return row if best.empty else row | _of_best(best.iloc[0], row["default_score"], sign)


def _of_best(best: pd.Series[Any], default: float | None, sign: float) -> dict[str, Any]:
    return {
        "best_score": best["value"],
        "gain": None if default is None else sign * (best["value"] - default),
        "best_trial": best["trial"],
        "best_run_id": best["run_id"],
        "best_proposed_by": best["proposed_by"],
        "best_parameters": best["parameters"],
    }
