"""Pads every item to `max_length`, as many published scripts do: the baseline that shows what padding costs."""

from __future__ import annotations

from trainables.config import Frozen
from trainables.protocols.variant import Plan, Stage, Variant


class Options(Frozen):
    """No options: the length is the experiment's `train.max_length`."""


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Pad to the longest item allowed instead of the longest in the batch."""
    return plan.replace(padding="max_length")


VARIANT = Variant(
    name="pad_to_max",
    description="pad every batch to train.max_length (to measure what padding costs)",
    stage=Stage.STEP,
    options=Options,
    excludes={
        "length_bucketing": "padding every item to max_length leaves no lengths to sort by",
        "unpadding": "it would remove the padding again, so nothing would change",
    },
    adjust_plan=adjust_plan,
)
