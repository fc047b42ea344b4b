"""Several experiments together: systems over data sets, each data set one observation, its seeds averaged first."""

from __future__ import annotations

import pandas as pd

from analysis.tables.normalize import data_set_labels

FEWEST_DATA_SETS = 6  # Demsar 2006: below it, no rank test over data sets can decide
TASK_COLUMNS = ("dataset", "task", "metric", "system", "n", "mean", "std", "rank", "scoreless")


def several(runs: pd.DataFrame) -> bool:
    """Whether the runs are of more than one data set or task."""
    return bool(data_set_labels(runs).nunique() > 1)


def over_data_sets(runs: pd.DataFrame, larger_is_better: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs as one row a (system, data set), its label in `seed`, its mean over seeds as `score`; and TASK_COLUMNS.

    A system that has no score on a data set has none in its row, and a status that says why.
    """
    named = runs.assign(_where=data_set_labels(runs))
    rows, tasks = [], []
    for (where, system), own in named.groupby(["_where", "system"], sort=True):
        scores = own["score"].dropna()
        score = float(scores.mean()) if len(scores) else float("nan")
        first = own.iloc[0]
        shared = {name: first.get(name) for name in ("task", "dataset", "metric", "model", "recipe", "control")}
        status = "completed" if len(scores) else "failed"
        rows.append({**shared, "system": system, "seed": where, "score": score, "status": status})
        spread = float(scores.std(ddof=1)) if len(scores) > 1 else float("nan")
        counts = {"n": len(scores), "mean": score, "std": spread, "scoreless": len(own) - len(scores)}
        tasks.append({**shared, "dataset": where, "system": system, **counts})
    table = pd.DataFrame(tasks)
    table["rank"] = table.groupby("dataset")["mean"].rank(ascending=not larger_is_better, method="average")
    averaged = pd.DataFrame(rows)
    nothing = pd.array([pd.NA] * len(averaged), dtype="Int64")
    return averaged.assign(split_seed=nothing, fold=nothing), table[list(TASK_COLUMNS)]


def data_set_warnings(tasks: pd.DataFrame) -> list[str]:
    """What a reader must know before believing a comparison over data sets."""
    number = tasks["dataset"].nunique()
    found = []
    if number < FEWEST_DATA_SETS:
        found.append(
            f"only {number} data sets: a claim over tasks takes at least {FEWEST_DATA_SETS} (each is one observation)"
        )
    metrics = sorted(tasks["metric"].dropna().astype(str).unique())
    if len(metrics) > 1:
        found.append(
            f"the data sets are scored by different metrics ({', '.join(metrics)}): ranks compare, sizes of "
            "differences do not"
        )
    uneven = tasks.groupby("dataset")["n"].nunique()
    if (uneven > 1).any():
        found.append(f"systems have different numbers of seeds on {', '.join(uneven[uneven > 1].index)}")
    return found
