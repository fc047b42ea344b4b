"""Subset accuracy: share of items whose whole label set equals gold (as in scikit-learn); no answer is wrong."""

from __future__ import annotations

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio
from analysis.metrics._classes import members


def _counts(both: Answers) -> Floats:
    pairs = zip(both.gold, both.predicted, strict=True)
    right = np.array([label is not None and set(members(gold)) == set(members(label)) for gold, label in pairs])
    correct = np.bincount(both.items, weights=right.astype(np.float64), minlength=both.num_items)
    return np.stack([correct, np.bincount(both.items, minlength=both.num_items)], axis=1)


def _value(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


METRIC = Metric(
    name="subset_accuracy",
    title="Subset accuracy",
    description="share of items whose whole set of labels equals gold.",
    counts=_counts,
    value=_value,
)
