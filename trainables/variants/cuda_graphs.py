"""CUDA graphs of the whole step: the host launches forward, backward, clipping and optimizer as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.config import Frozen, TrainConfig
from trainables.protocols.variant import Compute, Plan, Stage, Subject, Variant
from trainables.system.hardware import Hardware

if TYPE_CHECKING:
    from torch.optim import Optimizer

BUCKET = 64  # tokens: batches are padded to a multiple of this, and each width has its own graph


class Options(Frozen):
    """No options: one graph for each batch shape, captured when the shape occurs for the second time."""


def record(compute: Compute) -> Compute:
    """Capture what `compute` launches; calling the result launches it again and returns the same, updated tensors."""
    import torch

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = compute()

    def replay() -> Any:
        graph.replay()
        return outputs

    return replay


def build(groups: list[dict[str, Any]], config: TrainConfig) -> Optimizer:
    """Return fused AdamW that keeps its step count and rate on the device, where a replay reads them."""
    import torch

    device = groups[0]["params"][0].device
    rate = torch.tensor(config.learning_rate, device=device)
    options: dict[str, Any] = {"betas": config.betas, "eps": config.epsilon, "fused": True, "capturable": True}
    return torch.optim.AdamW(groups, lr=rate, **options)


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Use few widths, always a mask, and captured steps. Raises ValueError if parts of a step are captured already."""
    if plan.records_itself is not None:
        raise ValueError(f"cuda_graphs excludes {plan.records_itself}: it captures parts of the step itself")
    width = BUCKET if plan.width_multiple in (None, 1) else plan.width_multiple
    return plan.replace(width_multiple=width, optimizer=build, recorder=record)


def incompatible(subject: Subject, options: Options) -> str | None:
    """Return a reason for fp16: its scaler checks every step for overflow, so the host would have to wait."""
    if subject.precision != "fp16":
        return None
    other = "bf16, or fp32 where the device has no bf16,"
    return f"cuda_graphs: the gradient scaler of fp16 waits for every step; use {other} for {subject.model}"


def unsupported(machine: Hardware, options: Options) -> str | None:
    """Return a reason if there is no CUDA device."""
    return None if machine.gpus else f"cuda_graphs needs a CUDA device, here is {machine.device}"


VARIANT = Variant(
    name="cuda_graphs",
    description="the whole training step as one captured launch for each batch shape (needs CUDA)",
    stage=Stage.STEP,
    options=Options,
    excludes={
        "adamw_8bit": "it counts its steps on the host, which takes no part in a captured step",
        "gradient_checkpointing": "it saves and sets the random generator's state, which a captured step cannot",
        "qlora": "the host decides how four bits are unpacked, and it takes no part in a captured step",
        "unpadding": "the number of tokens differs from batch to batch, and a captured step needs fixed shapes",
    },
    adjust_plan=adjust_plan,
    incompatible=incompatible,
    unsupported=unsupported,
)
