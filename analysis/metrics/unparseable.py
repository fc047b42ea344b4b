"""Unparseable: share of answers that name no label, or more than a label; lower is better."""

from __future__ import annotations

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio


def _counts(both: Answers) -> Floats:
    lost = np.array([label is None for label in both.predicted], dtype=np.float64)
    answers = np.bincount(both.items, minlength=both.num_items)
    return np.stack([np.bincount(both.items, weights=lost, minlength=both.num_items), answers], axis=1)


def _value(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


METRIC = Metric(
    name="unparseable",
    title="Unparseable",
    description="share of answers that name no label, or more than a label; lower is better.",
    counts=_counts,
    value=_value,
    direction="minimize",
)
