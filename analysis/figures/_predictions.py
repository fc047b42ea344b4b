"""Gold and predicted classes of the scored part, counted for each run: what the figures on errors share."""

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
_UNIT = ("item", "position")


def class_rows(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run and class in the gold labels (without O), the most frequent classes first.

    Columns: `support` (gold labels of the class), `predicted` (predictions of the class), `f1`, and `row`: the class
    with its mean support over runs. A missing prediction counts as a miss; in a set of labels, each label counts. With
    tags such as B-X and I-X, the classes are entity types and whole entities count, as in span F1.
    """
    predictions = _predictions(analysis)
    frame = _entities_of(analysis) if _holds_tags(predictions) else _labels_of(predictions)
    frame = frame[frame["class"] != OUTSIDE]
    if frame.empty:
        raise NotApplicable("no prediction has a gold class other than O")
    frame = frame.assign(f1=2 * frame["hits"] / (frame["support"] + frame["predicted"]))
    support = frame.groupby("class")["support"].transform("mean")
    frame = frame.assign(mean_support=support, row=frame["class"] + support.map(" ({:.0f})".format))
    order = ["place", "mean_support", "class", "run_id"]
    ordered = frame.sort_values(order, ascending=[True, False, True, True], kind="stable", ignore_index=True)
    return ordered.drop(columns="hits").astype({"predicted": "int64"})


def _labels_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and gold class: the run's keys, `class`, `support`, `predicted`, `hits`."""
    gold_rows = _by_class(predictions, "gold", "predicted")
    predicted_rows = _by_class(predictions, "predicted", "gold")
    keys = [name for name in predictions.columns if name not in ("gold", "predicted")]
    gold = gold_rows.groupby([*keys, "class"], dropna=False, sort=False)["hit"].agg(["size", "sum"])
    gold = gold.rename(columns={"size": "support", "sum": "hits"})
    predicted = predicted_rows.groupby(["run_id", "class"]).size().rename("predicted")
    return gold.reset_index().join(predicted, on=["run_id", "class"]).fillna({"predicted": 0})


def _entities_of(analysis: Analysis) -> pd.DataFrame:
    """The same for entities; raises NotApplicable if the predictions do not say which words form one item."""
    table = analysis.results.predictions
    if "item" not in table.columns:
        raise NotApplicable("whole entities need predictions.item, which these results do not have")
    unit = [name for name in _UNIT if name in table.columns]
    predictions = _predictions(analysis, *unit).sort_values(["run_id", *unit], kind="stable", ignore_index=True)
    spans = cache(_spans)  # gold is the same in every run
    counted = [row for own in _slices(predictions, "run_id") for row in _entity_counts(predictions.iloc[own], spans)]
    keys = predictions.drop(columns=["gold", "predicted", *unit]).drop_duplicates("run_id")
    return keys.merge(pd.DataFrame(counted, columns=["run_id", "class", *_COUNTS]), on="run_id")


def _entity_counts(
    run: pd.DataFrame, spans_of: Callable[[tuple[str, ...]], frozenset[Span]]
) -> Iterator[tuple[str, str, int, int, int]]:
    """Yield run, type, gold entities, predicted entities and those in both, for every type in the gold labels."""
    gold, predicted = run["gold"].tolist(), [label or OUTSIDE for label in run["predicted"].tolist()]
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTS}
    for words in _slices(run, "item"):
        gold_spans, predicted_spans = spans_of(tuple(gold[words])), spans_of(tuple(predicted[words]))
        for name, spans in zip(_COUNTS, (gold_spans, predicted_spans, gold_spans & predicted_spans), strict=True):
            counts[name].update(kind for kind, _, _ in spans)
    for kind in counts["support"]:
        yield (run["run_id"].iloc[0], kind, *(counts[name][kind] for name in _COUNTS))


def _spans(tags: tuple[str, ...]) -> frozenset[Span]:
    return frozenset(lenient_spans(tags, closed=False))


def _slices(frame: pd.DataFrame, column: str) -> Iterator[slice]:
    """Return the runs of neighbouring rows with the same value."""
    codes = pd.factorize(frame[column])[0]
    bounds = np.flatnonzero(np.diff(codes, prepend=-2, append=-2)).tolist()
    return (slice(start, end) for start, end in pairwise(bounds))


def single_labels(analysis: Analysis) -> pd.DataFrame:
    """Return one row per prediction: the run's keys, `gold`, `predicted`; raises NotApplicable for texts and sets."""
    predictions = _predictions(analysis)
    if _holds_sets(predictions):
        raise NotApplicable("predictions are sets of labels, so no label is confused with another one")
    return predictions


def _predictions(analysis: Analysis, *columns: str) -> pd.DataFrame:
    rows = predictions_of(analysis, *columns, "gold", "predicted").dropna(subset="gold")
    classes = {label for entry in rows["gold"].unique() for label in members(entry)}
    if len(classes) > MOST_LABELS:
        raise NotApplicable(f"the gold column has {len(classes)} different values: they are not classes")
    predicted = rows["predicted"].astype(object).where(rows["predicted"].notna(), "").astype(str)
    return rows.assign(gold=rows["gold"].astype(str), predicted=predicted)


def _holds_tags(predictions: pd.DataFrame) -> bool:
    """Return whether all labels are tags such as B-X; a missing prediction has no label."""
    labels = {*predictions["gold"].unique(), *predictions["predicted"].unique()} - {""}
    return applies(labels)


def _holds_sets(predictions: pd.DataFrame) -> bool:
    """Return whether some gold entry holds no label or several."""
    return any(len(members(entry)) != 1 for entry in predictions["gold"].unique())


def _by_class(predictions: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Return one row per class in column `one`: the run's keys, `class`, and whether `other` holds it too (`hit`)."""
    rows = predictions.rename(columns={one: "class"})
    if not _holds_sets(predictions):
        return rows.assign(hit=rows["class"] == rows[other])
    rows = rows.assign(**{"class": rows["class"].map(members)}).explode("class", ignore_index=True)
    rows = rows.dropna(subset="class")
    others = {entry: frozenset(members(entry)) for entry in rows[other].unique()}
    hits = [label in others[entry] for label, entry in zip(rows["class"], rows[other], strict=True)]
    return rows.assign(hit=hits)
