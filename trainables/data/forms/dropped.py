"""Leaves out items with labels that the user names, such as SNLI's `-` where its annotators do not agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.data.dataset import DataError, Item, Parts

_SHOWN = 5


@dataclass(frozen=True)
class Kept:
    """The items that stay, the official parts by their new indices, and notes for plan and report."""

    items: list[Item]
    parts: Parts | None
    notes: tuple[str, ...] = ()


def without_labels(items: list[Item], parts: Parts | None, labels: Sequence[str | int] | None) -> Kept:
    """Leave out every item whose `label` is one of `labels` (data.drop_labels), or whose list of `labels` holds one.

    Raises DataError for a label that no item has, for labels of words, and if no item would stay.
    """
    if labels is None:
        return Kept(items, parts)
    if any(item.get("words") is not None for item in items):
        raise DataError(
            "data.drop_labels leaves out whole items: for labels of words, see data.outside; remove the key"
        )
    own, names = [_labels(item) for item in items], [str(label) for label in labels]
    present = set().union(*own)
    absent = [name for name in names if name not in present]
    if absent:
        there = ", ".join(map(repr, sorted(present)[:_SHOWN])) + (", ..." if len(present) > _SHOWN else "")
        raise DataError(f"data.drop_labels: no item has the label {absent[0]!r}; there are: {there or 'none'}")
    kept = np.flatnonzero([not given.intersection(names) for given in own])
    if not len(kept):
        raise DataError("data.drop_labels: no item would stay; remove a label from the list")
    note = f"{len(items) - len(kept):,} of {len(items):,} items are left out: they have the label "
    note += f"{' or '.join(map(repr, names))} (data.drop_labels)"
    return Kept([items[index] for index in kept], _renumbered(parts, kept), (note,))


def _labels(item: Item) -> set[str]:
    value: Any = item["label"] if item.get("label") is not None else item.get("labels")
    return {str(label) for label in (value if isinstance(value, list | tuple) else [value]) if label is not None}


def _renumbered(parts: Parts | None, kept: np.ndarray[Any, Any]) -> Parts | None:
    if parts is None:
        return None
    return {
        name: np.searchsorted(kept, np.intersect1d(np.asarray(indices, dtype=np.int64), kept)).tolist()
        for name, indices in parts.items()
    }
