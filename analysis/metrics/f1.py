"""F1 of the positive class of two, as GLUE scores MRPC (Wang et al. 2018); the last label is positive."""

from __future__ import annotations

from collections.abc import Collection, Hashable

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ordered, ratio


def _applies(labels: Collection[str]) -> bool:
    return len(labels) <= 2


def _positive(both: Answers) -> Hashable:
    """Return the last label of the given label space, else of the labels that occur."""
    occurring: set[Hashable] = {*both.gold, *both.predicted} - {None}
    labels = list(both.labels) or ordered(occurring)
    if len(labels) > 2 or occurring - set(labels):
        raise ValueError(f"f1 needs two classes, got {len({*labels, *occurring})}; use macro_f1 or weighted_f1")
    return labels[-1]


def _counts(both: Answers) -> Floats:
    positive = _positive(both)
    gold = np.array([label == positive for label in both.gold], dtype=np.float64)
    predicted = np.array([label == positive for label in both.predicted], dtype=np.float64)
    parts = (gold * predicted, predicted, gold)
    return np.stack([np.bincount(both.items, weights=part, minlength=both.num_items) for part in parts], axis=1)


def _value(sums: Floats) -> Floats:
    return ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


METRIC = Metric(
    name="f1",
    title="F1",
    description="F1 of the positive class of two (the last by name, unless the task says otherwise).",
    counts=_counts,
    value=_value,
    applies=_applies,
)
