"""Which attention implementation the model runs with."""

from __future__ import annotations

from typing import Literal

from trainables.engine.config import Frozen
from trainables.engine.variant import Plan, Stage, Variant


class Options(Frozen):
    """`implementation`: eager (matrix products and softmax) or sdpa (torch's fused kernels)."""

    implementation: Literal["eager", "sdpa"]


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Ask for this implementation; loading refuses one that the architecture lacks."""
    return plan.replace(attention=options.implementation)


VARIANT = Variant(
    name="attention",
    description="attention implementation: eager or sdpa (default: sdpa where the architecture has it)",
    stage=Stage.LOAD,
    options=Options,
    adjust_plan=adjust_plan,
)
