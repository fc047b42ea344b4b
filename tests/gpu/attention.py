"""The kernels of attention that this machine may have, called as models call them, and what float64 says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward

from trainables.config import Precision
from trainables.modeling.unpadding import Packed, attend
from trainables.system.precision import DTYPES

ROWS, HEADS, SIZE = 3, 2, 64
SCALE = SIZE**-0.5
ABSENT = ("No available kernel", "No viable backend")  # torch, of a kernel that does not take this problem
Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Kernel = Callable[[Three, torch.Tensor | None, float], torch.Tensor]


@dataclass(frozen=True)
class Problem:
    """Query, key and value, [B, heads, L, size], what is real of each row, [B, L] (None: all), and a gradient."""

    three: Three
    mask: torch.Tensor | None
    gradient: torch.Tensor

    @classmethod
    def of(cls, length: int, precision: Precision, masked: bool, device: torch.device) -> Problem:
        """Random numbers; the rows of a masked problem have all of the length, some and one piece of it."""
        generator = torch.Generator().manual_seed(length)
        shape = (ROWS, HEADS, length, SIZE)
        dtype = DTYPES.get(precision, torch.float32)
        query, key, value, gradient = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(4))
        lengths = torch.tensor([length, length // 2 + 3, 1])
        mask = (torch.arange(length) < lengths[:, None]).to(device) if masked else None
        gradient = gradient.transpose(1, 2)  # as the output lies: [B, L, heads, size]
        return cls((query, key, value), mask, gradient if mask is None else gradient * mask[:, :, None, None])


@dataclass(frozen=True)
class Answer:
    """The output where pieces are, [B, L, heads, size], and the gradients of query, key and value."""

    output: torch.Tensor
    gradients: Three

    @property
    def parts(self) -> dict[str, torch.Tensor]:
        """All of it by name."""
        return dict(zip(("output", "query", "key", "value"), (self.output, *self.gradients), strict=True))


def answer(kernel: Kernel, problem: Problem, dropout: float = 0.0) -> Answer:
    """What a kernel computes, forwards and backwards, with dropout from a fixed seed."""
    three = tuple(tensor.detach().clone().requires_grad_() for tensor in problem.three)
    torch.manual_seed(1)
    output = kernel(three, problem.mask, dropout)  # type: ignore[arg-type]
    gradients = torch.autograd.grad(output, three, problem.gradient)
    real = output if problem.mask is None else output * problem.mask[:, :, None, None]
    return Answer(real.detach(), gradients)  # type: ignore[arg-type]


def kept_weights(kernel: Kernel, problem: Problem, dropout: float) -> torch.Tensor:
    """Which weights of attention a kernel keeps, [B, heads, L, L], read off outputs for values that are 0 or 1.

    The masks depend on the seed alone: such values select `size` columns of the weights at a time.
    """
    query, key, value = problem.three
    columns = []
    for first in range(0, value.shape[2], SIZE):
        selecting = torch.zeros_like(value)
        selecting[:, :, range(first, first + SIZE), range(SIZE)] = 1
        selecting.requires_grad_()  # as in training: some kernels do without dropout elsewhere
        torch.manual_seed(1)
        columns.append(kernel((query, key, selecting), problem.mask, dropout).detach().transpose(1, 2))
    return torch.cat(columns, dim=-1) != 0


def exact(problem: Problem, kept: torch.Tensor | None = None, dropout: float = 0.0) -> Answer:
    """The same in float64, with the weights that are kept."""

    def attention(three: Three, mask: torch.Tensor | None, dropout: float) -> torch.Tensor:
        query, key, value = three
        scores = query @ key.transpose(-2, -1) * SCALE
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], float("-inf"))
        weights = scores.softmax(-1) if kept is None else scores.softmax(-1) * kept / (1 - dropout)
        return (weights @ value).transpose(1, 2)

    three: Any = tuple(tensor.double() for tensor in problem.three)
    return answer(attention, replace(problem, three=three, gradient=problem.gradient.double()), dropout)


class _Training(nn.Module):
    """What implementations ask of the layer that calls them."""

    is_causal = False


def eager(three: Three, mask: torch.Tensor | None, dropout: float) -> torch.Tensor:
    """BERT's products and softmax, with the mask that is added to scores."""
    added = None
    if mask is not None:
        lowest = torch.finfo(three[0].dtype).min
        added = torch.zeros(mask.shape, dtype=three[0].dtype, device=mask.device).masked_fill(~mask, lowest)
        added = added[:, None, None]
    return eager_attention_forward(_Training(), *three, added, scaling=SCALE, dropout=dropout)[0]


def fused(backend: SDPBackend) -> Kernel:
    """transformers' sdpa with one of torch's kernels and no other. Raises RuntimeError where it cannot be taken."""

    def kernel(three: Three, mask: torch.Tensor | None, dropout: float) -> torch.Tensor:
        length = three[0].shape[2]
        seen = None if mask is None else mask[:, None, None].expand(-1, 1, length, -1)
        with sdpa_kernel(backend):
            return ALL_ATTENTION_FUNCTIONS["sdpa"](_Training(), *three, seen, dropout=dropout, scaling=SCALE)[0]

    return kernel


def unpadded(three: Three, mask: torch.Tensor | None, dropout: float) -> torch.Tensor:
    """Our own, which works row by row on pieces alone (one kernel of flash-attn where that is installed)."""
    hidden = [tensor.transpose(1, 2).flatten(2) for tensor in three]
    packed = Packed.of(hidden[0], mask)
    rows = [packed.pack(tensor).unflatten(2, (HEADS, SIZE)).transpose(1, 2) for tensor in hidden]
    found, _ = attend(_Training(), *rows, packed, dropout, SCALE)
    return packed.unpack(found.flatten(2)).unflatten(2, (HEADS, SIZE))


KERNELS: dict[str, Kernel] = {  # all that there are, whether runs use them or not
    "eager": eager,
    "unpadded": unpadded,
    "math": fused(SDPBackend.MATH),
    "flash": fused(SDPBackend.FLASH_ATTENTION),
    "efficient": fused(SDPBackend.EFFICIENT_ATTENTION),
    "cudnn": fused(SDPBackend.CUDNN_ATTENTION),
}


def absent(kernel: Kernel, problem: Problem, dropout: float = 0.0) -> str | None:
    """Why torch does not take this kernel for the problem; None where it does."""
    try:
        answer(kernel, problem, dropout)
    except RuntimeError as error:
        if not any(text in str(error) for text in ABSENT):
            raise
        return str(error).splitlines()[0]
    return None
