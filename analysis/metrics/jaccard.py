"""Jaccard: mean over items of labels in both sets per label in either, SemEval-2018's accuracy (Mohammad et al. 2018).

Where gold and prediction are both empty the answer is right and counts 1 (scikit-learn: `zero_division=1`); where there
is no answer at all (None) it is not.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio
from analysis.metrics._classes import members


def _counts(both: Answers) -> Floats:
    shares = np.array([_share(gold, found) for gold, found in zip(both.gold, both.predicted, strict=True)])
    summed = np.bincount(both.items, weights=shares, minlength=both.num_items)
    return np.stack([summed, np.bincount(both.items, minlength=both.num_items)], axis=1)


def _share(gold: Hashable, found: Hashable) -> float:
    labels, said = set(members(gold)), set(members(found))
    return len(labels & said) / len(labels | said) if labels | said else float(found is not None)


def _value(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


METRIC = Metric(
    name="jaccard",
    title="Jaccard",
    description="mean over items of the labels in both sets per label in either; two empty sets count 1.",
    counts=_counts,
    value=_value,
)
