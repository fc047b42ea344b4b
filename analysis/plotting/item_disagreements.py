"""Which single answers two systems disagree on in most seeds: the view below the averages."""

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
    """Share of seeds [answers, systems] that get each answer right; index: item (and position), NaN: not answered.

    Raises NotApplicable where the predictions do not say what is right.
    """
    said = _answers(analysis, "correct").dropna(subset=["correct"])
    if said.empty:
        raise NotApplicable("no prediction says whether it is correct")
    unit = [name for name in UNIT if name in said.columns]
    right = said.assign(correct=said["correct"].astype("float64")).groupby(["system", *unit], dropna=False)["correct"]
    return right.mean().unstack("system")


def outcomes(first: pd.Series[float], second: pd.Series[float]) -> pd.Series[Any]:
    """For shares of right seeds: one of OUTCOMES an answer (`split`: a system's seeds tie); NaN: unknown."""
    labels = np.select(
        [first.isna() | second.isna(), (first == 0.5) | (second == 0.5), (first > 0.5) & (second > 0.5),
         first > 0.5, second > 0.5],
        ["", "split", "both", "only_first", "only_second"],
        "neither",
    )  # fmt: skip
    return pd.Series(labels, index=first.index, dtype=object).replace("", np.nan)


def disagreements(analysis: Analysis) -> pd.DataFrame:
    """Answers that the two best systems with predictions (controls aside) disagree on in most seeds, most uneven first.

    Columns: a (the best), b, item, position where there is one, right_a and right_b (shares of seeds), said_a and
    said_b (the most frequent prediction), gold. Raises NotApplicable where there is nothing to compare.
    """
    right = majorities(analysis)
    compared = analysis.systems.loc[analysis.systems["control"].isna(), "system"]
    systems = [name for name in compared if name in right.columns][:2]
    if len(systems) < 2:
        raise NotApplicable("no two systems answered the same items")
    said = _said(analysis, systems)
    frame = _of_pair(right, *systems)
    for side, system in zip("ab", systems, strict=True):
        own = said[said["system"] == system].drop(columns="system")
        frame = frame.merge(own.rename(columns={"said": f"said_{side}"}), how="left")
    return frame


def _of_pair(right: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    found = outcomes(right[a], right[b])
    uneven = right[found.isin(["only_first", "only_second"])]
    frame = pd.DataFrame({"a": a, "b": b, "right_a": uneven[a], "right_b": uneven[b]}).reset_index()
    order = (frame["right_b"] - frame["right_a"]).abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _said(analysis: Analysis, systems: Sequence[str]) -> pd.DataFrame:
    """One row a system and answer: `gold`, and `said`, its most frequent prediction (of ties the first by name)."""
    said = _answers(analysis, "gold", "predicted")
    said = said[said["system"].isin(list(systems))]
    unit = [name for name in UNIT if name in said.columns]
    counts = said.groupby(["system", *unit, "gold", "predicted"], dropna=False).size().rename("times").reset_index()
    ordered = counts.sort_values(["times", "predicted"], ascending=[False, True], kind="stable")
    frame: pd.DataFrame = ordered.drop_duplicates(["system", *unit]).drop(columns="times")
    return frame.rename(columns={"predicted": "said"})


def _answers(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """The scored answers with their unit: the item, and the position within it where the predictions have one."""
    table = analysis.results.predictions
    if table.empty or "run_id" not in analysis.results.runs.columns:
        raise NotApplicable("these results have no predictions")
    unit = [name for name in UNIT if name in table.columns and table[name].notna().any()]
    missing = [name for name in ("item", *columns) if name not in table.columns]
    if missing:
        raise NotApplicable(f"it needs predictions.{missing[0]}, which these results do not have")
    return predictions_of(analysis, *unit, *columns)
