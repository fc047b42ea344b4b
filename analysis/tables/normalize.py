"""Brings runs from any source into one form: a system, a pairing key, a status, and a numeric or missing score.

The data set of a run can depend on the other runs, so `data_set_labels` works on all of them together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.schema import STATUSES

KEYS = ("seed", "split_seed", "fold")
WITHOUT_SEED = "row "  # what the seed of a run begins with whose table has no seeds
SCORELESS = ("diverged", "failed")
MOST_NAMED = 10
LARGEST_SCORE = 1e100  # squares of larger ones overflow, so they count as infinite
_DATA_SET = ["task", "dataset"]


def normalize(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """Return runs with columns system, seed, split_seed, fold, status and score (float, NaN: none), and warnings.

    system is the column `system`, else `model/recipe`, or `model` if the recipe is `default` or missing. Keys are
    integers (Int64) or text.
    Raises ValueError, naming source, column and rows (1 is the first after a header), for unreadable values.
    """
    runs = frame.reset_index(drop=True).copy()
    runs["system"] = _systems(runs, source)
    if "dataset" in runs.columns:
        runs["dataset"] = runs["dataset"].map(_without_folders, na_action="ignore")
    _need(runs, ("seed", "score"), source)
    _refuse_rows(runs["seed"].isna(), source, "seed is empty")
    for key in KEYS:
        runs[key] = _key(runs[key]) if key in runs.columns else pd.array([pd.NA] * len(runs), dtype="Int64")
    given = _scores(runs["score"], source)
    runs["score"] = given.where(given.abs() <= LARGEST_SCORE, np.nan)
    runs["status"] = _statuses(runs, source)
    beyond = _beyond(runs, given, source)  # before any other score is removed
    return runs, [*_withhold(runs, source), *beyond]


def _without_folders(data_set: Any) -> Any:
    """Return the name of a Python file that defines a data set, which older results hold with its folders."""
    is_file = isinstance(data_set, str) and data_set.endswith(".py")
    return data_set.replace("\\", "/").rpartition("/")[2] if is_file else data_set


def data_set_labels(runs: pd.DataFrame) -> pd.Series[str]:
    """Return the data set of each run, with its task if one data set is used for several."""
    parts = runs.reindex(columns=_DATA_SET).astype(object)
    for name in _DATA_SET:  # where a run names none, take the one that all others name, if they agree
        known = parts[name].dropna().unique()
        parts[name] = parts[name].where(parts[name].notna(), known[0] if len(known) == 1 else "")
    unclear = (parts.groupby("dataset")["task"].transform("nunique") > 1) | (parts["dataset"] == "")
    joined = (parts["dataset"] + " " + parts["task"]).str.strip()
    labels: pd.Series[str] = parts["dataset"].where(~unclear, joined).astype(str)
    return labels


def _need(runs: pd.DataFrame, names: tuple[str, ...], source: str) -> None:
    for name in names:
        if name not in runs.columns:
            raise ValueError(
                f"{source}: needs a column {name!r}; it has: {', '.join(map(str, runs.columns)) or 'none'}"
            )


def _refuse_rows(bad: pd.Series[bool], source: str, reason: str) -> None:
    if bad.any():
        rows = [str(row + 1) for row in np.flatnonzero(bad.to_numpy())]
        raise ValueError(f"{source}: row {', '.join(rows[:5])}{', ...' if len(rows) > 5 else ''}: {reason}")


def _systems(runs: pd.DataFrame, source: str) -> pd.Series[Any]:
    if "system" not in runs.columns:
        if "model" not in runs.columns:
            raise ValueError(
                f"{source}: needs a column 'system' or 'model'; it has: {', '.join(map(str, runs.columns))}"
            )
        systems = runs["model"].map(str, na_action="ignore")
        if "recipe" in runs.columns:
            systems = systems + runs["recipe"].map(_suffix)
    else:
        systems = runs["system"].map(str, na_action="ignore")
    _refuse_rows(systems.isna() | (systems == ""), source, "system is empty")
    return systems


def _suffix(recipe: Any) -> str:
    return "" if pd.isna(recipe) or recipe in ("", "default") else f"/{recipe}"


def _key(values: pd.Series[Any]) -> Any:
    if values.map(lambda value: isinstance(value, str)).any():  # a text that looks like a number stays a text
        return values.map(str, na_action="ignore").astype(object)
    numbers = pd.to_numeric(values, errors="coerce")
    whole = numbers.isna() | (numbers == numbers.round())
    if bool(whole.all()) and numbers.notna().equals(values.notna()):
        return numbers.astype("Int64")
    return values.map(str, na_action="ignore").astype(object)


def _scores(values: pd.Series[Any], source: str) -> pd.Series[float]:
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    _refuse_rows(numbers.isna() & values.notna() & ~values.map(_is_nan), source, "score is not a number")
    return numbers


def _beyond(runs: pd.DataFrame, given: pd.Series[float], source: str) -> list[str]:
    """Warn of runs whose score is infinite or too large, so that nobody wonders where it went."""
    beyond = runs[given.notna() & runs["score"].isna()]
    cells = [f"{run.system} seed {run.seed}" for run in beyond.head(MOST_NAMED).itertuples()]
    more = "; ..." if len(beyond) > MOST_NAMED else ""
    warning = f"an infinite score, or one beyond {LARGEST_SCORE:g}, counts as none: {'; '.join(cells)}{more}"
    return [f"{source}: {warning}"] if cells else []


def _is_nan(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in {"", "nan", "na", "n/a", "none", "null"}
    return isinstance(value, float) and math.isnan(value)


def _statuses(runs: pd.DataFrame, source: str) -> pd.Series[Any]:
    implied = pd.Series(np.where(runs["score"].isna(), "failed", "completed"), index=runs.index)
    if "status" not in runs.columns:
        return implied
    given = runs["status"].map(str, na_action="ignore")
    _refuse_rows(given.notna() & ~given.isin(STATUSES), source, f"status is not one of {', '.join(STATUSES)}")
    scoreless = runs["score"].isna() & given.isin(["completed", "collapsed"])
    return given.where(given.notna() & ~scoreless, implied)


def _withhold(runs: pd.DataFrame, source: str) -> list[str]:
    """Remove the scores of runs whose status allows none, and warn of runs without a score."""
    runs.loc[runs["status"].isin(SCORELESS), "score"] = np.nan
    missing = runs[runs["score"].isna() & (runs["status"] != "pruned")]
    if missing.empty:
        return []
    cells = [f"{run.system} seed {run.seed} ({run.status})" for run in missing.itertuples()]
    listed = "; ".join(cells[:MOST_NAMED]) + ("; ..." if len(cells) > MOST_NAMED else "")
    have = "has no score and counts as a failure" if len(cells) == 1 else "have no score and count as failures"
    return [f"{source}: {len(cells)} of {len(runs)} runs {have}: {listed}"]
