"""What the figures on errors share: gold and predicted classes of the scored part, counted once for each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.metrics._classes import OUTSIDE, members
from analysis.metrics._spans import Span, applies, lenient_spans
from analysis.plotting.figure import NotApplicable, predictions_of
from analysis.result import Analysis

MOST_LABELS, MOST_CLASSES = 200, 40
_COUNTS = ("support", "predicted", "hits")
_PLACES = ("item", "position")


def class_rows(analysis: Analysis) -> pd.DataFrame:
    """One row a run and class that occurs in the gold labels (without O), the largest classes first.

    `support` gold answers, `predicted` answers of the run, `f1`, and `row`: the class with its mean support over runs.
    A prediction that is missing counts as a miss; of a set of labels, each label counts. Of tags such as B-X and I-X,
    classes are the types of entities and whole entities count, as in span F1.
    """
    said = _said(analysis)
    frame = _entities_of(analysis) if _holds_tags(said) else _labels_of(said)
    frame = frame[frame["class"] != OUTSIDE]
    if frame.empty:
        raise NotApplicable("no prediction has a gold class other than O")
    frame = frame.assign(f1=2 * frame["hits"] / (frame["support"] + frame["predicted"]))
    support = frame.groupby("class")["support"].transform("mean")
    frame = frame.assign(mean_support=support, row=frame["class"] + support.map(" ({:.0f})".format))
    order = ["place", "mean_support", "class", "run_id"]
    ordered = frame.sort_values(order, ascending=[True, False, True, True], kind="stable", ignore_index=True)
    return ordered.drop(columns="hits").astype({"predicted": "int64"})


def _labels_of(said: pd.DataFrame) -> pd.DataFrame:
    """One row a run and gold class: the run's keys, `class`, `support`, `predicted`, `hits`."""
    gold_rows, found_rows = _by_class(said, "gold", "predicted"), _by_class(said, "predicted", "gold")
    keys = [name for name in said.columns if name not in ("gold", "predicted")]
    gold = gold_rows.groupby([*keys, "class"], dropna=False, sort=False)["hit"].agg(["size", "sum"])
    gold = gold.rename(columns={"size": "support", "sum": "hits"})
    found = found_rows.groupby(["run_id", "class"]).size().rename("predicted")
    return gold.reset_index().join(found, on=["run_id", "class"]).fillna({"predicted": 0})


def _entities_of(analysis: Analysis) -> pd.DataFrame:
    """The same of entities; raises NotApplicable where the predictions do not say which words are one item."""
    table = analysis.results.predictions
    if "item" not in table.columns:
        raise NotApplicable("whole entities need predictions.item, which these results do not have")
    places = [name for name in _PLACES if name in table.columns]
    said = _said(analysis, *places).sort_values(["run_id", *places], kind="stable", ignore_index=True)
    spans = cache(_spans)  # gold is the same in every run
    counted = [row for own in _slices(said, "run_id") for row in _entity_counts(said.iloc[own], spans)]
    keys = said.drop(columns=["gold", "predicted", *places]).drop_duplicates("run_id")
    return keys.merge(pd.DataFrame(counted, columns=["run_id", "class", *_COUNTS]), on="run_id")


def _entity_counts(
    run: pd.DataFrame, spans_of: Callable[[tuple[str, ...]], frozenset[Span]]
) -> Iterator[tuple[str, str, int, int, int]]:
    """Run, type, gold entities, predicted ones and those in both, of every type that gold has."""
    gold, predicted = run["gold"].tolist(), [label or OUTSIDE for label in run["predicted"].tolist()]
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTS}
    for words in _slices(run, "item"):
        right, found = spans_of(tuple(gold[words])), spans_of(tuple(predicted[words]))
        for name, spans in zip(_COUNTS, (right, found, right & found), strict=True):
            counts[name].update(kind for kind, _, _ in spans)
    for kind in counts["support"]:
        yield (run["run_id"].iloc[0], kind, *(counts[name][kind] for name in _COUNTS))


def _spans(tags: tuple[str, ...]) -> frozenset[Span]:
    return frozenset(lenient_spans(tags, closed=False))


def _slices(frame: pd.DataFrame, column: str) -> Iterator[slice]:
    """The stretches of rows with one value."""
    codes = pd.factorize(frame[column])[0]
    bounds = np.flatnonzero(np.diff(codes, prepend=-2, append=-2)).tolist()
    return (slice(start, end) for start, end in pairwise(bounds))


def answers(analysis: Analysis) -> pd.DataFrame:
    """One row an answer: the run's keys, `gold` and `predicted` as text; raises NotApplicable for text and for sets."""
    said = _said(analysis)
    if _holds_sets(said):
        raise NotApplicable("an answer is a set of labels: one is not taken for another")
    return said


def _said(analysis: Analysis, *columns: str) -> pd.DataFrame:
    said = predictions_of(analysis, *columns, "gold", "predicted").dropna(subset="gold")
    classes = {label for entry in said["gold"].unique() for label in members(entry)}
    if len(classes) > MOST_LABELS:
        raise NotApplicable(f"the gold column has {len(classes)} different values: they are not classes")
    predicted = said["predicted"].astype(object).where(said["predicted"].notna(), "").astype(str)
    return said.assign(gold=said["gold"].astype(str), predicted=predicted)


def _holds_tags(said: pd.DataFrame) -> bool:
    """Whether all labels are tags such as B-X; a missing prediction is none."""
    labels = {*said["gold"].unique(), *said["predicted"].unique()} - {""}
    return applies(labels)


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
