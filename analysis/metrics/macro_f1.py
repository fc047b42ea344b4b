"""Macro F1: mean F1 over the classes that occur, without the outside label O."""

from __future__ import annotations

from functools import partial

from analysis.metrics import Metric
from analysis.metrics._classes import OUTSIDE, asked_counts, macro, rarest_class

METRIC = Metric(
    name="macro_f1",
    title="Macro F1",
    description="mean F1 over the classes that occur, without the outside label O.",
    counts=partial(asked_counts, outside=OUTSIDE),
    value=macro,
    rarest=partial(rarest_class, outside=OUTSIDE),
)
