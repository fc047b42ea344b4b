"""Gathers batches of padded tensors from ragged columns, by index. Legend: B features in a batch, T tokens each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.data.batching import Indices
from trainables.data.features import Features, Ragged

DEVICE_SHARE = 0.1  # all columns move to the device when they need less than this share of its free memory


@dataclass(frozen=True)
class RaggedColumn:
    """One ragged column as two flat tensors, on the device if it fits there, else on the host."""

    values: torch.Tensor
    offsets: torch.Tensor
    padding: int

    def gather(self, rows_B: torch.Tensor, positions_T: torch.Tensor) -> torch.Tensor:
        """Return the rows padded to T: [B, T]."""
        start_B = self.offsets[rows_B]
        length_B = self.offsets[rows_B + 1] - start_B
        real_BT = positions_T < length_B[:, None]
        index_BT = torch.where(real_BT, start_B[:, None] + positions_T, 0)
        return torch.where(real_BT, _model_dtype(self.values[index_BT]), self.padding)


@dataclass(frozen=True)
class FixedColumn:
    """One column of rows of equal length: [F, width], or [F] if the width is 1."""

    values: torch.Tensor

    def gather(self, rows_B: torch.Tensor, positions_T: torch.Tensor) -> torch.Tensor:
        """Return the rows: [B, width] or [B]."""
        return _model_dtype(self.values[rows_B])


class BatchLoader:
    """Serves batches of one set of features on one device.

    `padding` is the fixed width of every batch; None means the length of its longest feature. If all features of a
    batch are equally long, there is no `attention_mask`: attention then uses its unmasked kernel, with the same result.
    With a `multiple`, the width is rounded up to a multiple of it (but not beyond `longest`), and there is always a
    mask, so that few shapes occur. `widths` has the width that each feature would have in a batch of its own.
    """

    def __init__(
        self,
        features: Features,
        device: torch.device,
        padding: int | None = None,
        multiple: int | None = None,
        longest: int | None = None,
    ) -> None:
        """Move the columns to the device if they fit there; else copy them batch by batch."""
        self.lengths: NDArray[np.int64] = features.columns["input_ids"].lengths
        self.widths = _widths(self.lengths, padding, multiple, longest)
        self._always_masked = multiple is not None
        self.terms: NDArray[np.int64] = np.asarray(features.terms, dtype=np.int64)
        self._device = device
        self._home = device if _fits(features, device) else torch.device("cpu")
        self._columns = {
            name: _fixed_column(ragged, len(features), self._home)
            if name in features.fixed
            else _column(ragged, features.padding[name], self._home)
            for name, ragged in features.columns.items()
        }

    def batch(self, rows: Indices) -> dict[str, torch.Tensor]:
        """Return the inputs of the model's forward and of the loss, each [B, T] except for fixed columns."""
        lengths = self.lengths[rows]
        width = int(self.widths[rows].max())
        rows_B = torch.from_numpy(np.ascontiguousarray(rows)).to(self._home, non_blocking=True)
        positions_T = torch.arange(width, device=self._home)
        batch = {name: column.gather(rows_B, positions_T) for name, column in self._columns.items()}
        if self._always_masked or int(lengths.min()) < width:
            lengths_B = torch.from_numpy(lengths).to(self._home, non_blocking=True)
            batch["attention_mask"] = (positions_T < lengths_B[:, None]).long()
        return {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}


def _widths(
    lengths: NDArray[np.int64], padding: int | None, multiple: int | None, longest: int | None
) -> NDArray[np.int64]:
    if padding is not None:
        return np.full_like(lengths, padding)
    rounded = lengths if multiple is None else -(-lengths // multiple) * multiple
    return rounded if longest is None else np.maximum(lengths, np.minimum(rounded, longest))


def _column(ragged: Ragged, padding: int, home: torch.device) -> RaggedColumn:
    values = torch.from_numpy(np.array(ragged.values)).to(home)
    return RaggedColumn(values, torch.from_numpy(np.array(ragged.offsets, dtype=np.int64)).to(home), padding)


def _fixed_column(ragged: Ragged, count: int, home: torch.device) -> FixedColumn:
    values = torch.from_numpy(np.array(ragged.values)).to(home).view(count, -1)
    return FixedColumn(values[:, 0] if values.shape[1] == 1 else values)


def _model_dtype(values: torch.Tensor) -> torch.Tensor:
    """Return integers as int64, which models and losses expect, and floats unchanged."""
    return values if values.is_floating_point() else values.long()


def _fits(features: Features, device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    needed = sum(ragged.values.nbytes + ragged.offsets.nbytes for ragged in features.columns.values())
    return needed < DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
