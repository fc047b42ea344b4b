"""Matthews correlation of gold and predicted classes, for any number of classes (Gorodkin 2004)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio
from analysis.metrics._classes import class_counts, split


def _applies(labels: Collection[str]) -> bool:
    return not any("\t" in str(label) for label in labels)


def _counts(both: Answers) -> Floats:
    if not _applies([str(label) for label in (*both.gold, *both.predicted)]):
        raise ValueError("the Matthews correlation needs one class per item, not sets of labels")
    entries = np.bincount(both.items, minlength=both.num_items)[:, None]
    return np.concatenate([entries, class_counts(both, outside=None)], axis=1)


def _value(sums: Floats) -> Floats:
    """Return (c s - sum p t) / sqrt((s^2 - sum p^2) (s^2 - sum t^2)); c of s right, p predicted, t gold per class.

    A missing prediction is a class of its own. 0 where all gold labels, or all predictions, are one class.
    """
    size, tensor = sums[..., 0], split(sums[..., 1:])
    right, predicted, gold = tensor[..., 0, :], tensor[..., 1, :], tensor[..., 2, :]
    missing = size - predicted.sum(axis=-1)
    numerator = right.sum(axis=-1) * size - (predicted * gold).sum(axis=-1)
    spread = (size**2 - (predicted**2).sum(axis=-1) - missing**2) * (size**2 - (gold**2).sum(axis=-1))
    return ratio(numerator, np.sqrt(np.maximum(spread, 0.0)))


METRIC = Metric(
    name="matthews_correlation",
    title="Matthews correlation",
    description="correlation of gold and predicted classes; 0 for a constant answer, 1 for a perfect one.",
    counts=_counts,
    value=_value,
    applies=_applies,
    bounds=(-1.0, 1.0),
)
