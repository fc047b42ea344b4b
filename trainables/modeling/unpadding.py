"""Runs encoders without padding: removes it before the first block, and puts it back as zeros after the last.

In between, a batch of B rows is one row of its T real tokens (Zeng et al. 2022, arXiv:2208.08124): every product,
normalisation and dropout mask of a block sees only these, and attention works row by row. Embeddings and head still get
padded batches, so tasks and heads need no change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import nn

ATTENTION = "unpadded"  # the name of the attention that reads `Packed` instead of a mask
_STACKS = {  # architectures whose blocks get positions from the embeddings alone, and the name of their blocks
    "bert": "encoder",
    "camembert": "encoder",
    "distilbert": "transformer",
    "electra": "encoder",
    "roberta": "encoder",
    "xlm-roberta": "encoder",
}
_SIXTEEN_BITS = (torch.bfloat16, torch.float16)
_AMPERE = (8, 0)  # required by version 2 of flash-attn


@dataclass(frozen=True)
class Packed:
    """How the T tokens of B rows lie one after another, with rows from the shortest to the longest.

    `groups` holds (rows, tokens per row) for neighbours of equal length, `index_T` the position of each token among the
    B * L positions of the batch, `bounds` the B + 1 offsets of rows as int32.
    """

    rows: int
    width: int
    groups: tuple[tuple[int, int], ...]
    index_T: torch.Tensor
    bounds: torch.Tensor

    @classmethod
    def of(cls, hidden_BLH: torch.Tensor, mask_BL: torch.Tensor | None) -> Packed:
        """Pack a batch by its mask (true: a token; None: all are tokens). On a GPU this waits for the device."""
        rows, width = hidden_BLH.shape[:2]
        device = hidden_BLH.device
        if mask_BL is None:
            lengths, index_T = [width] * rows, torch.arange(rows * width, device=device)
        else:
            counts = [int(count) for count in mask_BL.sum(1).tolist()]
            positions = mask_BL.flatten().nonzero().squeeze(1).split(counts)
            order = sorted(range(rows), key=counts.__getitem__)
            lengths, index_T = [counts[row] for row in order], torch.cat([positions[row] for row in order])
        groups = tuple((len(list(same)), length) for length, same in groupby(lengths))
        bounds = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
        return cls(rows, width, groups, index_T, bounds)

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return self.groups[-1][1]

    def pack(self, hidden_BLH: torch.Tensor) -> torch.Tensor:
        """Turn [B, L, H] into [1, T, H]."""
        return hidden_BLH.flatten(0, 1).index_select(0, self.index_T)[None]

    def unpack(self, hidden_1TH: torch.Tensor) -> torch.Tensor:
        """Turn [1, T, H] into [B, L, H], with zeros for padding."""
        empty = hidden_1TH.new_zeros(self.rows * self.width, hidden_1TH.shape[-1])
        return empty.index_copy(0, self.index_T, hidden_1TH[0]).unflatten(0, (self.rows, self.width))


def register() -> None:
    """Register the attention with transformers; calling it again changes nothing."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, mask_as_it_is)


def stack_of(model: nn.Module) -> nn.Module | None:
    """Return the blocks of an encoder as one module, or None if they need padding.

    Decoders need it, and encoders whose blocks compute with positions (rotary, relative) or mask by distance.
    """
    body: Any = getattr(model, "base_model", model)
    name = _STACKS.get(getattr(getattr(body, "config", None), "model_type", ""))
    if name is None or getattr(body.config, "is_decoder", False):
        return None
    stack = getattr(body, name, None)
    return stack if isinstance(stack, nn.Module) else None


def unpad(stack: nn.Module) -> None:
    """Make these blocks work without padding. The model must have been built with the attention `ATTENTION`."""
    stack.register_forward_pre_hook(_packed_inputs, with_kwargs=True)
    stack.register_forward_hook(_padded_outputs, with_kwargs=True)


def _packed_inputs(stack: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """Pass `Packed` to the blocks in place of the mask."""
    hidden = args[0] if args else named["hidden_states"]
    packed = Packed.of(hidden, named["attention_mask"])
    named = {**named, "attention_mask": packed}
    if args:
        return (packed.pack(hidden), *args[1:]), named
    return args, {**named, "hidden_states": packed.pack(hidden)}


def _padded_outputs(stack: nn.Module, args: tuple[Any, ...], named: dict[str, Any], outputs: Any) -> Any:
    packed: Packed = named["attention_mask"]
    outputs.last_hidden_state = packed.unpack(outputs.last_hidden_state)
    return outputs


def mask_as_it_is(attention_mask: torch.Tensor | None = None, **unused: Any) -> torch.Tensor | None:
    """Return the mask of a batch, [B, L], unchanged, for transformers' table of masks."""
    return attention_mask


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Packed,
    dropout: float = 0.0,
    scaling: float | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from every token to the tokens of its own row: [1, heads, T, size] to [1, T, heads, size].

    In 16 bits, on a GPU of the Ampere generation or newer, this is one kernel of flash-attn if that is installed (Dao
    2023, arXiv:2307.08691); else rows of the same length are computed together.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    kernel = _flash_kernel(query.device) if query.dtype in _SIXTEEN_BITS else None
    if kernel is not None:
        return by_kernel(kernel, query, key, value, attention_mask, dropout, scale), None
    sizes = [rows * length for rows, length in attention_mask.groups]
    parts = zip(attention_mask.groups, *(tensor.split(sizes, dim=2) for tensor in (query, key, value)), strict=True)
    mixed = [_of_equal_rows(*(part.unflatten(2, group) for part in three), dropout, scale) for group, *three in parts]
    return torch.cat(mixed, dim=2).transpose(1, 2).contiguous(), None


def _of_equal_rows(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float, scale: float
) -> torch.Tensor:
    """Turn [1, heads, rows, length, size] into [1, heads, rows * length, size]."""
    weights = torch.softmax(torch.matmul(query, key.transpose(-2, -1)) * scale, dim=-1)
    return torch.matmul(nn.functional.dropout(weights, dropout), value).flatten(2, 3)


def by_kernel(
    kernel: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packed: Packed,
    dropout: float,
    scale: float,
) -> torch.Tensor:
    """Do the same with a kernel that has the interface of `flash_attn_varlen_func`, which takes [T, heads, size]."""
    rows = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    bounds, longest = (packed.bounds, packed.bounds), (packed.longest, packed.longest)
    return kernel(*rows, *bounds, *longest, dropout_p=dropout, softmax_scale=scale, causal=False)[None]


@lru_cache(maxsize=8)
def _flash_kernel(device: torch.device) -> Callable[..., torch.Tensor] | None:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < _AMPERE:
        return None
    if find_spec("flash_attn") is None:
        return None
    from flash_attn import flash_attn_varlen_func

    kernel: Callable[..., torch.Tensor] = flash_attn_varlen_func
    return kernel
