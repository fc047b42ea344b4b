"""Defines the precision that a model computes in: torch's names, and the context that multiplies matrices in it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from trainables.config import Precision

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Compute matrix products in `precision`, weights and reductions in fp32; fp32 is a no-op."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])
