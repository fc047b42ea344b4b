"""Macro F1 with O: mean F1 over the classes that occur, including the outside label O."""

from __future__ import annotations

from functools import partial

from analysis.metrics import Metric
from analysis.metrics._classes import asked_counts, macro, rarest_class

METRIC = Metric(
    name="macro_f1_with_outside",
    title="Macro F1 with O",
    description="mean F1 over the classes that occur, including the outside label O.",
    counts=partial(asked_counts, outside=None),
    value=macro,
    rarest=partial(rarest_class, outside=None),
)
