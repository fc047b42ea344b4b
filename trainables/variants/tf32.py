"""TensorFloat-32: float32 matrix products with 10 bits of mantissa, on the tensor cores of Ampere and later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trainables.config import Frozen
from trainables.protocols.variant import Stage, Subject, Variant
from trainables.system.hardware import Hardware

CAPABILITY = 8.0  # Ampere


class Options(Frozen):
    """No options: it applies to every matrix product of the run."""


@contextmanager
def around(options: Options) -> Iterator[None]:
    """Allow TF32 while the run lasts."""
    import torch

    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32"
    try:
        yield
    finally:
        products.fp32_precision = before


def incompatible(subject: Subject, options: Options) -> str | None:
    """Return a reason for bf16 and fp16, which leave no matrix product in float32."""
    if subject.precision == "fp32":
        return None
    return f"tf32 would do nothing: the matrix products of {subject.model} are in {subject.precision}; set precision"


def unsupported(machine: Hardware, options: Options) -> str | None:
    """Return a reason if the machine has no tensor cores."""
    if machine.gpus and min(gpu.capability for gpu in machine.gpus) >= CAPABILITY:
        return None
    return f"tf32 needs CUDA devices of capability {CAPABILITY:g} or later, here is {machine.device}"


VARIANT = Variant(
    name="tf32",
    description="float32 matrix products on tensor cores (needs CUDA)",
    stage=Stage.STEP,
    options=Options,
    around=around,
    incompatible=incompatible,
    unsupported=unsupported,
)
