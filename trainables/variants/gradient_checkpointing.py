"""Gradient checkpointing (Chen et al. 2016): activations inside a block are recomputed in the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.config import Frozen
from trainables.protocols.variant import NoEffect, Stage, Variant
from trainables.variants._adapters import architecture_of, body_of

if TYPE_CHECKING:
    from torch import nn


class Options(Frozen):
    """No options: every block of the model is a checkpoint."""


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Keep only the inputs of every block. Numbers stay the same: dropout redraws its masks from the same state."""
    target: Any = body_of(model)
    if not getattr(target, "supports_gradient_checkpointing", False):
        raise NoEffect(f"gradient_checkpointing: {architecture_of(model)} has no blocks that can be checkpointed")
    newer = hasattr(target, "activation_checkpointing_enable")  # its name since transformers 5.23
    enable = target.activation_checkpointing_enable if newer else target.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    return model


VARIANT = Variant(
    name="gradient_checkpointing",
    description="less memory for activations, about a third more computation, the same numbers",
    stage=Stage.RECOMPUTE,
    options=Options,
    excludes={"cuda_graphs": "it saves and sets the random generator's state, which a captured step cannot"},
    adjust_model=adjust_model,
)
