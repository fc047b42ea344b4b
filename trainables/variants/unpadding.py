"""Unpadding (Zeng et al. 2022): the blocks of an encoder compute on pieces alone, whatever a batch is padded to."""

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
    """Ask for the attention that works row by row."""
    return plan.replace(attention=KERNEL, unpadded=True)


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Take padding out around the blocks. Raises WouldDoNothing where they cannot do without it."""
    from trainables.modeling.unpadding import stack_of, unpad

    stack = stack_of(model)
    if stack is None:
        raise NoEffect(f"unpadding: {_refusal(architecture_of(model))}")
    unpad(stack)
    return model


def incompatible(subject: Subject, options: Options) -> str | None:
    """Blocks that compute with positions need them where they are."""
    return _refusal(subject.model) if subject.unpads is False else None


def _refusal(name: str) -> str:
    return f"the blocks of {name} compute with positions or causally; it takes encoders of BERT's kind"


VARIANT = Variant(
    name="unpadding",
    description="no computation on padding inside an encoder (BERT's kind), with the batches as they are",
    stage=Stage.LOAD,
    options=Options,
    excludes={
        "attention": "unpadding brings an attention of its own, which works row by row",
        "cuda_graphs": "a batch has as many pieces as it has, and a recording needs the same shapes each time",
        "pad_to_max": "what is padded would be taken out again: it would do nothing",
        "torch_compile": "every batch has other lengths, and each would be compiled anew",
    },
    adjust_plan=adjust_plan,
    adjust_model=adjust_model,
    incompatible=incompatible,
    asks_architecture=True,
)
