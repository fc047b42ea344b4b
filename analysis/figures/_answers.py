"""What the figures on errors share: gold and predicted classes of the scored part, counted once for each run."""

from __future__ import annotations

import pandas as pd

from analysis.answer import Analysis
from analysis.figure import NotApplicable, predictions_of
from analysis.metrics._classes import OUTSIDE, members

MOST_LABELS, MOST_CLASSES = 200, 40


def class_rows(analysis: Analysis) -> pd.DataFrame:
    """One row a run and class that occurs in the gold labels (without O), the largest classes first.

    `support` gold answers, `predicted` answers of the run, `f1`, and `row`: the class with its mean support over runs.
    A prediction that is missing counts as a miss; of a set of labels, each label counts.
    """
    said = _said(analysis)
    gold_rows, found_rows = _by_class(said, "gold", "predicted"), _by_class(said, "predicted", "gold")
    keys = [name for name in said.columns if name not in ("gold", "predicted")]
    gold = gold_rows.groupby([*keys, "class"], dropna=False, sort=False)["hit"].agg(["size", "sum"])
    gold = gold.rename(columns={"size": "support", "sum": "hits"})
    found = found_rows.groupby(["run_id", "class"]).size().rename("predicted")
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
    """One row an answer: the run's keys, `gold` and `predicted` as text; raises NotApplicable for text and for sets."""
    said = _said(analysis)
    if _holds_sets(said):
        raise NotApplicable("an answer is a set of labels: one is not taken for another")
    return said


def _said(analysis: Analysis) -> pd.DataFrame:
    said = predictions_of(analysis, "gold", "predicted").dropna(subset="gold")
    classes = {label for entry in said["gold"].unique() for label in members(entry)}
    if len(classes) > MOST_LABELS:
        raise NotApplicable(f"the gold column has {len(classes)} different values: they are not classes")
    predicted = said["predicted"].astype(object).where(said["predicted"].notna(), "").astype(str)
    return said.assign(gold=said["gold"].astype(str), predicted=predicted)


def _holds_sets(said: pd.DataFrame) -> bool:
    """Whether some gold answer is no label, or several."""
    return any(len(members(entry)) != 1 for entry in said["gold"].unique())


def _by_class(said: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """One row a class of each answer in `one`: the run's keys, `class`, and whether `other` holds it too (`hit`)."""
    rows = said.rename(columns={one: "class"})
    if not _holds_sets(said):
        return rows.assign(hit=rows["class"] == rows[other])
    rows = rows.assign(**{"class": rows["class"].map(members)}).explode("class", ignore_index=True)
    rows = rows.dropna(subset="class")
    others = {entry: frozenset(members(entry)) for entry in rows[other].unique()}
    hits = [label in others[entry] for label, entry in zip(rows["class"], rows[other], strict=True)]
    return rows.assign(hit=hits)
