"""How far numbers lie apart, measured such that a NaN is never close to anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from trainables.training.outcome import Outcome

# Relative error against float64. TF32 has three bits more than bfloat16, whose limit it takes an eighth of.
CLOSE = {"fp32": 1e-5, "tf32": 4e-3, "bf16": 3e-2, "fp16": 3e-2}
CURVE = ("train_loss", "eval_loss", "grad_norm")


def relative_error(found: torch.Tensor, reference: torch.Tensor) -> float:
    """L2 norm of the difference over that of the reference, in float64 on the processor."""
    ours, theirs = (tensor.detach().double().cpu() for tensor in (found, reference))
    return float((ours - theirs).norm() / theirs.norm())


def joined(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """All of them as one vector, by name."""
    return torch.cat([tensors[name].detach().double().cpu().flatten() for name in sorted(tensors)])


def largest_difference(first: Outcome, second: Outcome) -> float:
    """Over the curves, in absolute terms; infinite where the two say different things of an item."""
    said, also = (outcome.predictions["predicted"].tolist() for outcome in (first, second))
    if said != also:
        return float("inf")
    return float(np.max(np.abs(curve(first) - curve(second))))


def largest_ratio(found: Outcome, reference: Outcome, columns: tuple[str, ...] = CURVE) -> float:
    """Largest difference of the curves relative to the reference."""
    theirs = curve(reference, columns)
    return float(np.max(np.abs(curve(found, columns) - theirs) / np.abs(theirs)))


def curve(outcome: Outcome, columns: tuple[str, ...] = CURVE) -> np.ndarray[Any, np.dtype[np.float64]]:
    """These columns of the epochs that the run went through."""
    assert outcome.status in ("completed", "collapsed"), f"{outcome.status}: {outcome.error}"
    return outcome.epochs[list(columns)].to_numpy(dtype=np.float64)
