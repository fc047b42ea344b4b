"""Weighted F1: mean F1 over the classes, weighted by gold words, without the outside label O."""

from __future__ import annotations

from functools import partial

from analysis.metrics import Metric
from analysis.metrics._classes import OUTSIDE, class_counts, weighted

METRIC = Metric(
    name="weighted_f1",
    title="Weighted F1",
    description="mean F1 over the classes, weighted by gold words, without the outside label O.",
    counts=partial(class_counts, outside=OUTSIDE),
    value=weighted,
)
