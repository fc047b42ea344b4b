"""Micro F1: F1 of the words pooled over classes, without the outside label O."""

from __future__ import annotations

from functools import partial

from analysis.metrics import Metric
from analysis.metrics._classes import OUTSIDE, class_counts, micro

METRIC = Metric(
    name="micro_f1",
    title="Micro F1",
    description="F1 of the words pooled over classes, without the outside label O.",
    counts=partial(class_counts, outside=OUTSIDE),
    value=micro,
)
