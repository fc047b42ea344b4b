"""Chooses the attention implementation that the model runs with."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from trainables.config import Frozen
from trainables.protocols.variant import Plan, Stage, Subject, Variant
from trainables.system.hardware import Hardware

FLASH = "flash_attention_2"
CAPABILITY = 8.0  # Ampere: version 2 of flash-attn needs it


class Options(Frozen):
    """`implementation`: eager (matrix products and softmax), sdpa (torch's fused kernels) or flash_attention_2."""

    implementation: Literal["eager", "sdpa", "flash_attention_2"]


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Request this implementation; loading refuses one that the architecture lacks."""
    return plan.replace(attention=options.implementation)


def incompatible(subject: Subject, options: Options) -> str | None:
    """Return a reason if the architecture lacks the kernel, or if flash attention would not compute in 16 bits."""
    if subject.attentions is not None and options.implementation not in subject.attentions:
        return f"{subject.model} has no {options.implementation} attention; it has {', '.join(subject.attentions)}"
    if options.implementation == FLASH and subject.precision == "fp32":
        return f"{FLASH} computes in bf16 and fp16 only, {subject.model} in fp32; set its precision"
    return None


def unsupported(machine: Hardware, options: Options) -> str | None:
    """Return a reason if flash attention is chosen but its device or package is missing."""
    if options.implementation != FLASH:
        return None
    if not machine.gpus:
        return f"{FLASH} needs a CUDA device, here is {machine.device}"
    if min(gpu.capability for gpu in machine.gpus) < CAPABILITY:
        return f"{FLASH} needs CUDA devices of capability {CAPABILITY:g} or later, here is {machine.device}"
    return None if find_spec("flash_attn") else f"{FLASH} needs the package flash-attn; run: pip install flash-attn"


VARIANT = Variant(
    name="attention",
    description="attention kernel: eager, sdpa (default if the architecture has it) or flash_attention_2 (CUDA)",
    stage=Stage.LOAD,
    options=Options,
    excludes={"unpadding": "unpadding uses its own attention, which works row by row"},
    adjust_plan=adjust_plan,
    incompatible=incompatible,
    asks_architecture=True,
    unsupported=unsupported,
)
