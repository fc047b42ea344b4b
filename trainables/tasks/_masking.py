"""Which pieces a masked language model has to guess: drawn from (seed, row, position) alone, on the batch's device.

The numbers come from a hash (the finalizer of SplitMix64; Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195) and
not from a generator with a state: neither the batch a row is in, nor its padding, nor the device changes its mask, and
nothing waits for the host. Legend: B rows, T pieces, K places for masked pieces.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BITS = 63
SHARE_MASKED, SHARE_RANDOM = 0.8, 0.1  # the rest stays as it is (Devlin et al. 2019, section 3.1)


def num_masked(num_text: int, share: float) -> int:
    """Masked pieces of a row with so many pieces of text: the share, rounded half up, at least one."""
    return max(1, math.floor(share * num_text + 0.5))


def most_masked(width: int, share: float) -> int:
    """A bound of `num_masked` for rows of up to `width` pieces."""
    return max(1, math.ceil(share * width))


def chosen_positions(
    is_text_BT: Tensor, num_B: Tensor, places: int, rows_B: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """Positions of the masked pieces [B, K], and which of these places are in use: the first num_B of each row.

    All sets of text pieces of a row's size are equally likely.
    """
    import torch

    width = is_text_BT.shape[1]
    draws_BT = random_bits(rows_B, width, seed, stream=0)
    last = torch.iinfo(torch.int64).max
    order_BT = torch.where(is_text_BT, draws_BT >> 1, last).argsort(dim=1, stable=True)
    places_K = torch.arange(min(places, width), device=is_text_BT.device)
    return order_BT[:, : len(places_K)], places_K < num_B[:, None]


def replaced(pieces_BT: Tensor, mask_piece_B: Tensor, vocabulary_B: Tensor, rows_B: Tensor, seed: int) -> Tensor:
    """What a model sees where a piece is masked [B, T]: mostly the mask piece, at times another or the same piece."""
    import torch

    width = pieces_BT.shape[1]
    kind_BT = random_bits(rows_B, width, seed, stream=1)
    other_BT = random_bits(rows_B, width, seed, stream=2) % vocabulary_B[:, None]
    masked, changed = int(SHARE_MASKED * 2**BITS), int((SHARE_MASKED + SHARE_RANDOM) * 2**BITS)
    seen_BT = torch.where(kind_BT < changed, other_BT, pieces_BT)
    return torch.where(kind_BT < masked, mask_piece_B[:, None], seen_BT)


def random_bits(rows_B: Tensor, width: int, seed: int, stream: int) -> Tensor:
    """Uniform whole numbers below 2**63, int64 [B, T], one for each (seed, stream, row, position)."""
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


def _shifted(values: Tensor, places: int) -> Tensor:
    """A shift to the right that brings in zeros, as for numbers without a sign."""
    return (values >> places) & ((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    """The 64-bit pattern of a number, read with a sign."""
    return (number + 2**63) % 2**64 - 2**63
