"""Draws dropout masks on the CPU from 16 random bits per element, in a third of the time of `bernoulli_`.

Masks take a tenth of a small encoder's training step on the CPU (docs/experiments.md), half of that in attention,
inside the model's own functions. So the one operation that all of them call is replaced while a run trains.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainables.system import private_parts

_BITS = 16
_VALUES = 1 << _BITS


@contextmanager
def quick_masks(device: torch.device) -> Iterator[None]:
    """Replace `Tensor.bernoulli_(p)` on the CPU while the context lasts; other devices keep torch's own.

    Draws come from torch's generator, as before. The probability is rounded to a multiple of 2**-16.
    """
    if device.type != "cpu":
        yield
        return
    destroy = private_parts.DESTROY_LIBRARY.get()
    library = torch.library.Library("aten", "IMPL")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="(?s).*verriding a previously", category=UserWarning)
            library.impl("bernoulli_.float", draw_, "CPU")
        yield
    finally:
        destroy(library)


def draw_(values: torch.Tensor, p: float = 0.5, *, generator: torch.Generator | None = None) -> torch.Tensor:
    """Fill `values` with 1 with probability p, else 0, in place."""
    limit = round(p * _VALUES)
    if limit in (0, _VALUES):
        return values.fill_(limit // _VALUES)
    count = values.numel()
    words = torch.empty(-(-count * _BITS // 64), dtype=torch.int64)
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[:count]
    return values.copy_((bits < limit - _VALUES // 2).view(values.shape))
