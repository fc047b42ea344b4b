"""QLoRA (Dettmers et al. 2023): adapters beside frozen weights kept in four bits (NF4, double quantised)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from trainables.protocols.variant import NoEffect, Plan, Stage, Variant
from trainables.variants._adapters import EXCLUSION, AdapterOptions, Targets, add_adapters

if TYPE_CHECKING:
    from torch import nn


class Options(AdapterOptions):
    """Rank, scale, dropout and targets of the adapters."""

    targets: Targets = Field(
        default="all-linear",
        description="all-linear, as the paper found necessary; auto: query and value projections; or layer names",
    )


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Request a body in four bits; on a CPU this is slower than LoRA and computes the same."""
    return plan.replace(quantization="nf4")


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Add adapters; the head keeps training. Raises NoEffect if no weight is in four bits."""
    from trainables.modeling.pretrained import quantized_layers

    if next(quantized_layers(model), None) is None:
        raise NoEffect("qlora: no weight of this model is in four bits: it has no linear layers that can be quantised")
    return add_adapters(model, options, "qlora")


VARIANT = Variant(
    name="qlora",
    description="low-rank adapters beside frozen weights in four bits (NF4); the head trains",
    stage=Stage.ADAPT,
    options=Options,
    excludes={
        "lora": "lora adds the same adapters to unquantised weights",
        "bitfit": EXCLUSION,
        "freezing": EXCLUSION,
        "cuda_graphs": "the host decides how four bits are unpacked, and it takes no part in a captured step",
    },
    adjust_plan=adjust_plan,
    adjust_model=adjust_model,
)
