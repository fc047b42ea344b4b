"""Chooses the tokens that a masked language model must guess, from (seed, row, position) alone, on the batch's device.

The numbers come from a hash (the finalizer of SplitMix64; Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195)
instead of a generator with a state: a row's mask does not depend on its batch, its padding or the device, and nothing
waits for the host. Legend: B rows, T tokens, K slots for masked tokens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BITS = 63
SHARE_MASKED, SHARE_RANDOM = 0.8, 0.1  # the rest stays as it is (Devlin et al. 2019, section 3.1)


def num_masked(num_text: int, share: float) -> int:
    """Return how many of a row's `num_text` text tokens are masked: the share, rounded half up, at least one."""
    return max(1, math.floor(share * num_text + 0.5))


def most_masked(width: int, share: float) -> int:
    """Return an upper bound of `num_masked` for rows of up to `width` tokens."""
    return max(1, math.ceil(share * width))


def chosen_positions(
    is_text_BT: Tensor, num_B: Tensor, num_slots: int, rows_B: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the positions of the masked tokens [B, K], and which slots are in use: the first num_B of each row.

    All subsets of a row's text tokens with num_B members are equally likely.
    """
    import torch

    width = is_text_BT.shape[1]
    draws_BT = random_bits(rows_B, width, seed, stream=0)
    last = torch.iinfo(torch.int64).max
    order_BT = torch.where(is_text_BT, draws_BT >> 1, last).argsort(dim=1, stable=True)
    slots_K = torch.arange(min(num_slots, width), device=is_text_BT.device)
    return order_BT[:, : len(slots_K)], slots_K < num_B[:, None]


def replaced(tokens_BT: Tensor, mask_token_B: Tensor, vocabulary_B: Tensor, rows_B: Tensor, seed: int) -> Tensor:
    """Return what the model sees where a token is masked [B, T]: the mask token, a random token or the token itself."""
    import torch

    width = tokens_BT.shape[1]
    kind_BT = random_bits(rows_B, width, seed, stream=1)
    other_BT = random_bits(rows_B, width, seed, stream=2) % vocabulary_B[:, None]
    masked, changed = int(SHARE_MASKED * 2**BITS), int((SHARE_MASKED + SHARE_RANDOM) * 2**BITS)
    seen_BT = torch.where(kind_BT < changed, other_BT, tokens_BT)
    return torch.where(kind_BT < masked, mask_token_B[:, None], seen_BT)


def random_bits(rows_B: Tensor, width: int, seed: int, stream: int) -> Tensor:
    """Return uniform whole numbers below 2**63, int64 [B, T], one for each (seed, stream, row, position)."""
    import torch

    positions_T = torch.arange(width, device=rows_B.device)
    start = torch.tensor(_signed((seed * 4 + stream) * _STEP), device=rows_B.device)
    rows_B1 = _mixed(_mixed(start) + rows_B[:, None] * _signed(_STEP))
    return _shifted(_mixed(rows_B1 + positions_T * _signed(_STEP)), 1)


_STEP = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio


def _mixed(values: Tensor) -> Tensor:
    values = (values ^ _shifted(values, 30)) * _signed(0xBF58476D1CE4E5B9)
    values = (values ^ _shifted(values, 27)) * _signed(0x94D049BB133111EB)
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Shift to the right and fill with zeros, as for unsigned numbers."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """Return the 64-bit pattern of a number, read as a signed integer."""
    return (number + 2**63) % 2**64 - 2**63
