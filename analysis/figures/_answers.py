"""What the figures on errors share: gold and predicted classes of the scored part, counted once for each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.figure import NotApplicable, predictions_of
from analysis.metrics._classes import OUTSIDE

if TYPE_CHECKING:
    from analysis.analyze import Analysis

MOST_LABELS, MOST_CLASSES = 200, 40


def class_rows(analysis: Analysis) -> pd.DataFrame:
    """One row a run and class that occurs in the gold labels (without O), the largest classes first.

    `support` gold answers, `predicted` answers of the run, `f1`, and `row`: the class with its mean support over runs.
    A prediction that is missing counts as a miss.
    """
    said = answers(analysis)
    said = said.assign(hit=said["gold"] == said["predicted"])
    keys = [name for name in said.columns if name not in ("gold", "predicted", "hit")]
    gold = said.groupby([*keys, "gold"], dropna=False, sort=False)["hit"].agg(["size", "sum"])
    gold = gold.rename_axis(index={"gold": "class"}).rename(columns={"size": "support", "sum": "hits"})
    found = said.groupby(["run_id", "predicted"]).size().rename("predicted")
    frame = gold.reset_index().join(found, on=["run_id", "class"]).fillna({"predicted": 0})
    frame = frame[frame["class"] != OUTSIDE]
    if frame.empty:
        raise NotApplicable("no prediction has a gold class other than O")
    frame = frame.assign(f1=2 * frame["hits"] / (frame["support"] + frame["predicted"]))
    support = frame.groupby("class")["support"].transform("mean")
    frame = frame.assign(mean_support=support, row=frame["class"] + support.map(" ({:.0f})".format))
    order = ["place", "mean_support", "class", "run_id"]
    ordered = frame.sort_values(order, ascending=[True, False, True, True], kind="stable", ignore_index=True)
    return ordered.drop(columns="hits").astype({"predicted": "int64"})


def answers(analysis: Analysis) -> pd.DataFrame:
    """One row an answer: the run's keys, `gold` and `predicted` as text; raises NotApplicable for free text."""
    said = predictions_of(analysis, "gold", "predicted").dropna(subset="gold")
    if said["gold"].nunique() > MOST_LABELS:
        raise NotApplicable(f"the gold column has {said['gold'].nunique()} different values: they are not classes")
    predicted = said["predicted"].astype(object).where(said["predicted"].notna(), "").astype(str)
    return said.assign(gold=said["gold"].astype(str), predicted=predicted)
