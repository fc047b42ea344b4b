"""Turns rows of single items into runs with a mean score, and keeps the items for tests over items and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.tables.foreign.table import Refused, Table, listed, rows_named
from analysis.tables.schema import PREDICTIONS

SPLIT = "evaluation"
GIVEN_SCORE = "given_score"  # a column of predictions that none of our tasks has: the score of an item as it was given


def refuse_repeated(table: Table, cells: pd.DataFrame, items: pd.Series[str]) -> None:
    """Raise Refused if an item has no name or two scores in one run."""
    empty = items.isna()
    if empty.any():
        raise Refused(f"{table.label}: {rows_named(items[empty].index.tolist())}: item is empty; name every item")
    twice = cells.assign(_item=items).duplicated(keep=False)
    if twice.any():
        first = cells[twice].iloc[0]
        key = ", ".join(f"{name} {value}" for name, value in first.items() if not pd.isna(value) and value != "")
        rows = rows_named(twice[twice].index.tolist())
        raise Refused(
            f"{table.label}: {rows}: item {items[twice].iloc[0]!r} has more than one score in the run {key}; keep one, "
            "or name the column that distinguishes them with --system or --seed"
        )


def refuse_missing(table: Table, rows: pd.DataFrame) -> None:
    """Raise Refused for items without a score, unless the table states that their run failed."""
    missing = rows["score"].isna() & ~rows["has_failed"]
    if missing.any():
        raise Refused(
            f"{table.label}: {rows_named(missing[missing].index.tolist())}: the score of an item is empty; write 0 for "
            "a wrong answer, or leave the whole run out"
        )


def run_numbers(cells: pd.DataFrame) -> pd.Series[int]:
    """Number the runs: rows of the same system, keys and data set are one run."""
    numbers: pd.Series[int] = cells.groupby(list(cells.columns), sort=False, dropna=False).ngroup()
    return numbers


def run_level(table: Table, runs: pd.Series[int]) -> pd.DataFrame:
    """Return one row per run with the columns that have one value in each of its rows."""
    grouped = table.cells.groupby(runs, sort=False)
    single = [name for name in table.names if (grouped[name].nunique(dropna=False) <= 1).all()]
    return pd.DataFrame({name: table.cells[name][~runs.duplicated()] for name in single})


def predictions(
    names: Sequence[str], runs: pd.Series[int], items: pd.Series[str], scores: pd.Series[float]
) -> pd.DataFrame:
    """Return the items as predictions with `given_score`, and `correct` where every score is 0 or 1."""
    known = scores.notna()
    frame: pd.DataFrame = PREDICTIONS.empty_table().to_pandas().reindex(range(int(known.sum()))).astype(object)
    frame["run_id"] = [names[number] for number in runs[known]]
    frame["split"], frame["position"] = SPLIT, 0
    frame["item"] = items[known].tolist()
    frame[GIVEN_SCORE] = scores[known].astype("float64").tolist()
    if scores[known].isin([0.0, 1.0]).all():
        frame["correct"] = [value == 1.0 for value in scores[known]]
    return frame


def said(table: Table, items: pd.Series[str], runs: pd.Series[int]) -> str:
    """Say how many items and runs were read."""
    numbers = sorted(set(runs.value_counts().tolist()))
    sizes = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    shown = listed(items.unique().tolist(), 3)
    return f"{table.label}: {runs.nunique()} runs of {sizes} items ({shown}); a run's score is the mean over its items"
