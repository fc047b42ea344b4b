"""CUDA graphs of the whole step: forward, backward, clipping and optimizer are launched by the host as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.config import Frozen, TrainConfig
from trainables.protocols.variant import Compute, Plan, Stage, Subject, Variant
from trainables.system.hardware import Hardware

if TYPE_CHECKING:
    from torch.optim import Optimizer

BUCKET = 64  # pieces: one graph for each width in these steps


class Options(Frozen):
    """No options: one graph for each shape of batch, recorded when the shape comes for the second time."""


def record(compute: Compute) -> Compute:
    """Record what `compute` launches; the result launches all of it again and returns the same tensors, renewed."""
    import torch

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = compute()

    def replay() -> Any:
        graph.replay()
        return outputs

    return replay


def build(groups: list[dict[str, Any]], config: TrainConfig) -> Optimizer:
    """Fused AdamW that keeps its step and its rate on the device, where a replay reads them."""
    import torch

    device = groups[0]["params"][0].device
    rate = torch.tensor(config.learning_rate, device=device)
    settings: dict[str, Any] = {"betas": config.betas, "eps": config.epsilon, "fused": True, "capturable": True}
    return torch.optim.AdamW(groups, lr=rate, **settings)


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Few widths, always a mask, every step recorded. Raises ValueError where parts of it are recorded already."""
    if plan.records_itself is not None:
        raise ValueError(f"cuda_graphs excludes {plan.records_itself}: it records parts of the step itself")
    width = BUCKET if plan.width_multiple in (None, 1) else plan.width_multiple
    return plan.replace(width_multiple=width, optimizer=build, recorder=record)


def incompatible(subject: Subject, options: Options) -> str | None:
    """The scaler of fp16 asks after every step whether it overflowed: the host would have to wait."""
    if subject.precision != "fp16":
        return None
    other = "bf16, or fp32 where the device has no bf16,"
    return f"cuda_graphs: the gradient scaler of fp16 waits for every step; use {other} for {subject.model}"


def unsupported(machine: Hardware, options: Options) -> str | None:
    """As its name says."""
    return None if machine.gpus else f"cuda_graphs needs a CUDA device, here is {machine.device}"


VARIANT = Variant(
    name="cuda_graphs",
    description="the whole training step as one recorded launch for each shape of batch (needs CUDA)",
    stage=Stage.STEP,
    options=Options,
    excludes={
        "adamw_8bit": "it counts its steps on the host, and a recorded step has no host in it",
        "gradient_checkpointing": "it saves and sets the state of the random generator, which a recording cannot",
        "qlora": "how four bits become numbers is decided on the host, and a recorded step has no host in it",
        "unpadding": "a batch has as many pieces as it has, and a recording needs the same shapes each time",
    },
    adjust_plan=adjust_plan,
    incompatible=incompatible,
    unsupported=unsupported,
)
