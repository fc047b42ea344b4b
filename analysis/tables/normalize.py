"""Runs from anywhere in one form: a system, a pairing key, a status, and a score that is a number or missing.

Which data set a run is of can depend on the other runs, so `data_set_labels` says it of all of them together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.tables.schema import STATUSES

KEYS = ("seed", "split_seed", "fold")
SCORELESS = ("diverged", "failed")
MOST_NAMED = 10
LARGEST_SCORE = 1e100  # beyond it squares overflow: such a number is as little a score as infinity
_WHERE = ["task", "dataset"]


def normalize(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """The runs with columns system, seed, split_seed, fold, status and score (float, NaN: none), and warnings.

    system is the column `system`, else `model/recipe`, or `model` where the recipe is `default` or not given. Keys are
    whole numbers (Int64) or text.
    Raises ValueError, naming source, column and rows (1 is the first after a header), for what cannot be read.
    """
    runs = frame.reset_index(drop=True).copy()
    runs["system"] = _systems(runs, source)
    _need(runs, ("seed", "score"), source)
    _refuse_rows(runs["seed"].isna(), source, "seed is empty")
    for key in KEYS:
        runs[key] = _key(runs[key]) if key in runs.columns else pd.array([pd.NA] * len(runs), dtype="Int64")
    given = _scores(runs["score"], source)
    runs["score"] = given.where(given.abs() <= LARGEST_SCORE, np.nan)
    runs["status"] = _statuses(runs, source)
    beyond = _beyond(runs, given, source)  # before any other score is taken away
    return runs, [*_withhold(runs, source), *beyond]


def data_set_labels(runs: pd.DataFrame) -> pd.Series[str]:
    """The data set of each run, with its task where one data set is used for several."""
    parts = runs.reindex(columns=_WHERE).astype(object)
    for name in _WHERE:  # what a run does not say is what all others say, where they say one thing
        known = parts[name].dropna().unique()
        parts[name] = parts[name].where(parts[name].notna(), known[0] if len(known) == 1 else "")
    unclear = (parts.groupby("dataset")["task"].transform("nunique") > 1) | (parts["dataset"] == "")
    joined = (parts["dataset"] + " " + parts["task"]).str.strip()
    found: pd.Series[str] = parts["dataset"].where(~unclear, joined).astype(str)
    return found


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
    """Which runs have a number that is none, so that nobody wonders where their score went."""
    beyond = runs[given.notna() & runs["score"].isna()]
    cells = [f"{run.system} seed {run.seed}" for run in beyond.head(MOST_NAMED).itertuples()]
    more = "; ..." if len(beyond) > MOST_NAMED else ""
    said = f"an infinite score, or one beyond {LARGEST_SCORE:g}, is none: {'; '.join(cells)}{more}"
    return [f"{source}: {said}"] if cells else []


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
    """Take the score from runs that have none by their status, and say which runs have no score."""
    runs.loc[runs["status"].isin(SCORELESS), "score"] = np.nan
    missing = runs[runs["score"].isna() & (runs["status"] != "pruned")]
    if missing.empty:
        return []
    cells = [f"{run.system} seed {run.seed} ({run.status})" for run in missing.itertuples()]
    listed = "; ".join(cells[:MOST_NAMED]) + ("; ..." if len(cells) > MOST_NAMED else "")
    have = "has no score and counts as a failure" if len(cells) == 1 else "have no score and count as failures"
    return [f"{source}: {len(cells)} of {len(runs)} runs {have}: {listed}"]
