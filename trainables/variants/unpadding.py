"""Unpadding (Zeng et al. 2022): the blocks of an encoder compute on real tokens only, however a batch is padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.config import Frozen
from trainables.protocols.variant import NoEffect, Plan, Stage, Subject, Variant
from trainables.variants._adapters import architecture_of

if TYPE_CHECKING:
    from torch import nn

KERNEL = "unpadded"  # modeling/unpadding.py


class Options(Frozen):
    """No options: batches, their order and the loss stay what they are."""


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Request the attention that works row by row."""
    return plan.replace(attention=KERNEL, unpadded=True)


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Remove padding before the blocks and restore it after them. Raises NoEffect for blocks that need it."""
    from trainables.modeling.unpadding import stack_of, unpad

    stack = stack_of(model)
    if stack is None:
        raise NoEffect(f"unpadding: {_refusal(architecture_of(model))}")
    unpad(stack)
    return model


def incompatible(subject: Subject, options: Options) -> str | None:
    """Return a reason if the model's blocks are known to need padding."""
    return _refusal(subject.model) if subject.unpads is False else None


def _refusal(name: str) -> str:
    return f"the blocks of {name} use positions or causal attention; only encoders like BERT can be unpadded"


VARIANT = Variant(
    name="unpadding",
    description="no computation on padding inside an encoder like BERT, with unchanged batches",
    stage=Stage.LOAD,
    options=Options,
    excludes={
        "attention": "unpadding uses its own attention, which works row by row",
        "cuda_graphs": "the number of tokens differs from batch to batch, and a captured step needs fixed shapes",
        "pad_to_max": "unpadding would remove the padding again, so nothing would change",
        "torch_compile": "lengths differ from batch to batch, and each batch would be compiled anew",
    },
    adjust_plan=adjust_plan,
    adjust_model=adjust_model,
    incompatible=incompatible,
    asks_architecture=True,
)
