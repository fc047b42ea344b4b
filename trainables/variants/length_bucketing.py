"""Batches of items of similar length: less padding, the same items, the same loss per item."""

from __future__ import annotations

from trainables.config import Frozen
from trainables.protocols.variant import Plan, Stage, Variant


class Options(Frozen):
    """No options: the pool size is a constant of `data/batching.py`."""


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Draw batches from pools sorted by length."""
    return plan.replace(bucketing=True)


VARIANT = Variant(
    name="length_bucketing",
    description="random batches of items of similar length, for less padding",
    stage=Stage.STEP,
    options=Options,
    excludes={"pad_to_max": "padding every item to max_length leaves no lengths to sort by"},
    adjust_plan=adjust_plan,
)
