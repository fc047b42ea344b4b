"""Which single predictions two systems disagree on in most seeds: the view below the averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.plotting.figure import NotApplicable, predictions_of
from analysis.result import Analysis

OUTCOMES = ("both", "only_first", "only_second", "neither", "split")
UNIT = ("item", "position")


def majorities(analysis: Analysis) -> pd.DataFrame:
    """Return the share of seeds [predictions, systems] that are right; index: item (and position), NaN: no prediction.

    Raises NotApplicable if the predictions do not say whether they are correct.
    """
    predictions = _predictions(analysis, "correct").dropna(subset=["correct"])
    if predictions.empty:
        raise NotApplicable("no prediction says whether it is correct")
    unit = [name for name in UNIT if name in predictions.columns]
    correct = predictions["correct"].astype("float64")
    right = predictions.assign(correct=correct).groupby(["system", *unit], dropna=False)["correct"]
    return right.mean().unstack("system")


def outcomes(first: pd.Series[float], second: pd.Series[float]) -> pd.Series[Any]:
    """Return one of OUTCOMES per prediction, from the shares of right seeds (`split`: half of them; NaN: unknown)."""
    labels = np.select(
        [first.isna() | second.isna(), (first == 0.5) | (second == 0.5), (first > 0.5) & (second > 0.5),
         first > 0.5, second > 0.5],
        ["", "split", "both", "only_first", "only_second"],
        "neither",
    )  # fmt: skip
    return pd.Series(labels, index=first.index, dtype=object).replace("", np.nan)


def disagreements(analysis: Analysis) -> pd.DataFrame:
    """Return what the two best systems with predictions (no controls) disagree on in most seeds, most uneven first.

    Columns: a (the best), b, item, position if there is one, right_a and right_b (shares of seeds), said_a and said_b
    (the most frequent prediction), gold. Raises NotApplicable if there is nothing to compare.
    """
    right = majorities(analysis)
    compared = analysis.systems.loc[analysis.systems["control"].isna(), "system"]
    systems = [name for name in compared if name in right.columns][:2]
    if len(systems) < 2:
        raise NotApplicable("no two systems have predictions for the same items")
    frequent = _most_frequent(analysis, systems)
    frame = _of_pair(right, *systems)
    for side, system in zip("ab", systems, strict=True):
        own = frequent[frequent["system"] == system].drop(columns="system")
        frame = frame.merge(own.rename(columns={"predicted": f"said_{side}"}), how="left")
    return frame


def _of_pair(right: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    of_pair = outcomes(right[a], right[b])
    uneven = right[of_pair.isin(["only_first", "only_second"])]
    frame = pd.DataFrame({"a": a, "b": b, "right_a": uneven[a], "right_b": uneven[b]}).reset_index()
    order = (frame["right_b"] - frame["right_a"]).abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _most_frequent(analysis: Analysis, systems: Sequence[str]) -> pd.DataFrame:
    """Return one row per system and item (position): `gold`, `predicted` most often (the first by name in a tie)."""
    rows = _predictions(analysis, "gold", "predicted")
    rows = rows[rows["system"].isin(list(systems))]
    unit = [name for name in UNIT if name in rows.columns]
    counts = rows.groupby(["system", *unit, "gold", "predicted"], dropna=False).size().rename("times").reset_index()
    ordered = counts.sort_values(["times", "predicted"], ascending=[False, True], kind="stable")
    frame: pd.DataFrame = ordered.drop_duplicates(["system", *unit]).drop(columns="times")
    return frame


def _predictions(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """Return the scored predictions with their unit: the item, and the position within it if they have one."""
    table = analysis.results.predictions
    if table.empty or "run_id" not in analysis.results.runs.columns:
        raise NotApplicable("these results have no predictions")
    unit = [name for name in UNIT if name in table.columns and table[name].notna().any()]
    missing = [name for name in ("item", *columns) if name not in table.columns]
    if missing:
        raise NotApplicable(f"it needs predictions.{missing[0]}, which these results do not have")
    return predictions_of(analysis, *unit, *columns)
