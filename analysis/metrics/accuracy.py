"""Accuracy: share of answers (words, sentences, pairs) that equal gold; over words it is micro F1 with O."""

from __future__ import annotations

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio


def _counts(both: Answers) -> Floats:
    pairs = zip(both.gold, both.predicted, strict=True)
    right = np.array([predicted is not None and gold == predicted for gold, predicted in pairs], dtype=np.float64)
    correct = np.bincount(both.items, weights=right, minlength=both.num_items)
    words = np.bincount(both.items, minlength=both.num_items).astype(np.float64)
    return np.stack([correct, words], axis=1)


def _value(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


METRIC = Metric(
    name="accuracy",
    title="Accuracy",
    description="share of answers (words, sentences, pairs) that equal gold, including the outside label O.",
    counts=_counts,
    value=_value,
)
