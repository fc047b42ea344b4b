"""LoRA (Hu et al. 2021): the pretrained weights are frozen; small adapters beside them and the head train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.protocols.variant import Stage, Variant
from trainables.variants._adapters import EXCLUSION, AdapterOptions, add_adapters

if TYPE_CHECKING:
    from torch import nn


class Options(AdapterOptions):
    """Rank, scale, dropout and targets of the adapters."""


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Freeze the model and add adapters; the head keeps training."""
    return add_adapters(model, options, "lora")


VARIANT = Variant(
    name="lora",
    description="low-rank adapters beside frozen weights; the head trains",
    stage=Stage.ADAPT,
    options=Options,
    excludes={
        "qlora": "qlora adds the same adapters to weights in four bits",
        "bitfit": EXCLUSION,
        "freezing": EXCLUSION,
    },
    adjust_model=adjust_model,
)
