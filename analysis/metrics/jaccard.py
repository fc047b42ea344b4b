"""Jaccard: mean share of labels in either set that are in both, SemEval-2018's accuracy (Mohammad et al. 2018).

An empty prediction for empty gold is right and counts 1 (scikit-learn: `zero_division=1`); a missing one (None) is not.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio
from analysis.metrics._classes import members


def _counts(both: Answers) -> Floats:
    pairs = zip(both.gold, both.predicted, strict=True)
    shares = np.array([_share(gold, predicted) for gold, predicted in pairs])
    summed = np.bincount(both.items, weights=shares, minlength=both.num_items)
    return np.stack([summed, np.bincount(both.items, minlength=both.num_items)], axis=1)


def _share(gold: Hashable, predicted: Hashable) -> float:
    gold_labels, labels = set(members(gold)), set(members(predicted))
    either = gold_labels | labels
    return len(gold_labels & labels) / len(either) if either else float(predicted is not None)


def _value(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


METRIC = Metric(
    name="jaccard",
    title="Jaccard",
    description="mean over items of the share of labels in either set that are in both; two empty sets count 1.",
    counts=_counts,
    value=_value,
)
