"""AdamW that keeps its two moments in eight bits, in blocks with one scale each (Dettmers et al. 2022)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from trainables.config import Frozen, TrainConfig
from trainables.protocols.variant import NoEffect, Plan, Stage, Variant
from trainables.system.extras import install

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

SMALLEST = 4096  # entries: the library keeps the state of smaller weights in 32 bits


class Options(Frozen):
    """No options: learning rate, betas, epsilon and decay are those of `train`."""


def build(groups: list[dict[str, Any]], config: TrainConfig) -> Optimizer:
    """Return the optimizer. Raises ImportError that says what to install."""
    if find_spec("bitsandbytes") is None:
        raise ImportError(f"adamw_8bit needs bitsandbytes; run {install('adapters')}")
    from bitsandbytes.optim import AdamW8bit

    settings = {"lr": config.learning_rate, "betas": config.betas, "eps": config.epsilon}
    optimizer: Optimizer = AdamW8bit(groups, **settings, min_8bit_size=SMALLEST)
    return optimizer


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Use this optimizer."""
    return plan.replace(optimizer=build)


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Return the model unchanged. Raises NoEffect if no trainable weight is large enough."""
    largest = max((weight.numel() for weight in model.parameters() if weight.requires_grad), default=0)
    if largest < SMALLEST:
        raise NoEffect(
            f"adamw_8bit: the largest trainable weight has {largest:,} entries; "
            f"below {SMALLEST:,} the state stays in 32 bits"
        )
    return model


VARIANT = Variant(
    name="adamw_8bit",
    description="AdamW with its state in eight bits (bitsandbytes, in the adapters extra)",
    stage=Stage.STEP,
    options=Options,
    excludes={
        "bitfit": "biases are too small for it: below 4,096 entries the state stays in 32 bits",
        "cuda_graphs": "it counts its steps on the host, which takes no part in a captured step",
    },
    adjust_plan=adjust_plan,
    adjust_model=adjust_model,
)
