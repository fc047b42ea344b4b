"""Weighted F1 with O: mean F1 over the classes, weighted by gold words, including O."""

from __future__ import annotations

from functools import partial

from analysis.metrics import Metric
from analysis.metrics._classes import class_counts, weighted

METRIC = Metric(
    name="weighted_f1_with_outside",
    title="Weighted F1 with O",
    description="mean F1 over the classes, weighted by gold words, including O.",
    counts=partial(class_counts, outside=None),
    value=weighted,
)
