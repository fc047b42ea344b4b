"""Stores rows of unequal length without padding, as a flat array and its offsets, so that they can be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """N rows of unequal length: row i is `values[offsets[i]:offsets[i + 1]]`; `offsets` is int64 of length N + 1."""

    values: Array
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each row, [N]."""
        return np.diff(self.offsets)

    def row(self, index: int) -> Array:
        """Return row `index` as a view."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: Sequence[int] | Array) -> Ragged:
        """Return a copy of the rows at `indices`, in that order."""
        positions, offsets = self.positions(indices)
        return Ragged(self.values[positions], offsets)

    def positions(self, indices: Sequence[int] | Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the flat positions in `values` of the rows at `indices`, and the offsets of the gathered rows."""
        chosen = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        shift = np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
        return np.arange(offsets[-1], dtype=np.int64) + shift, offsets

    @classmethod
    def from_rows(cls, rows: Iterable[Any], dtype: Any) -> Ragged:
        """Pack one-dimensional rows, in order."""
        arrays = [np.asarray(row, dtype=dtype) for row in rows]
        lengths = np.fromiter((len(array) for array in arrays), dtype=np.int64, count=len(arrays))
        values = np.concatenate(arrays) if arrays else np.zeros(0, dtype=dtype)
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


@dataclass(frozen=True)
class Features:
    """F features of the items of a corpus, ready to be batched.

    `columns`  inputs of the model's forward (at least `input_ids`), and the task's targets, which only the loss reads
    `fixed`    the columns whose rows are equally long (a label, a position, a vector of 0/1): batched as [B, width],
               or as [B] if the width is 1; all other columns have one value per token
    `padding`  the value that fills each column up to the longest row of a batch
    `item`     int32 [F], index into the corpus' items; one item may yield several features
    `terms`    int32 [F], number of loss terms of each feature
    `extra`    columns that only the host needs, e.g. the word that each token belongs to
    `counts`   int32 [N items of the corpus] each: counts to report for each item, e.g. its `truncated_words`
    """

    columns: dict[str, Ragged]
    padding: dict[str, int]
    item: NDArray[np.int32]
    terms: NDArray[np.int32]
    extra: dict[str, Ragged] = field(default_factory=dict)
    counts: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.item)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each feature, special tokens included, [F]."""
        return self.columns["input_ids"].lengths

    def take(self, indices: Sequence[int] | Array) -> Features:
        """Return a copy of the features at `indices`, in that order; `counts` still cover all items."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Features(
            columns={name: column.take(chosen) for name, column in self.columns.items()},
            padding=self.padding,
            item=self.item[chosen],
            terms=self.terms[chosen],
            extra={name: column.take(chosen) for name, column in self.extra.items()},
            counts=self.counts,
            fixed=self.fixed,
        )

    @property
    def facts(self) -> dict[str, int]:
        """The sums of `counts` over the items that these features belong to."""
        own = np.unique(self.item)
        return {name: int(count[own].sum()) for name, count in self.counts.items()}

    def of_items(self, indices: Sequence[int] | Array) -> NDArray[np.int64]:
        """Return the indices of the features that belong to the given items, in feature order."""
        return np.flatnonzero(np.isin(self.item, np.asarray(indices)))
