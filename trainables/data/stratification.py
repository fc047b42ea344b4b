"""Divides items into groups of given sizes in which every label occurs in proportion, also where items have several.

Several labels: iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), the rarest label first, with groups
that never take more items than their size.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Strata = Sequence[AbstractSet[Hashable]]


def divide(count: int, sizes: Sequence[int], order: np.random.Generator, strata: Strata | None = None) -> list[Indices]:
    """Disjoint groups of 0 .. count - 1; group g has `sizes[g]` items, and `sizes` add up to `count`.

    `strata` holds the labels of each item; None: a plain draw. Groups of items with one label each are stretches of
    one permutation, so for them and for a plain draw the first group does not depend on how the others are cut.
    """
    assert sum(sizes) == count, f"sizes add up to {sum(sizes)}, there are {count} items"
    shuffled = order.permutation(count)
    if strata is not None and any(len(labels) != 1 for labels in strata):
        group_of = _iterative(shuffled, np.asarray(sizes), strata, order)
        return [np.flatnonzero(group_of == group) for group in range(len(sizes))]
    permutation = shuffled if strata is None else _in_proportion(shuffled, strata)
    return np.split(permutation, np.cumsum(sizes)[:-1])


def _in_proportion(shuffled: Indices, strata: Strata) -> Indices:
    """A permutation whose every stretch holds the labels in proportion."""
    members: dict[AbstractSet[Hashable], list[int]] = {}
    for index in shuffled.tolist():
        members.setdefault(strata[index], []).append(index)
    place = {index: (rank + 0.5) / len(group) for group in members.values() for rank, index in enumerate(group)}
    return np.array(sorted(shuffled.tolist(), key=place.__getitem__), dtype=np.int64)


def _iterative(shuffled: Indices, sizes: Indices, strata: Strata, order: np.random.Generator) -> Indices:
    """The group of each item, [count]."""
    labels = sorted({label for labels in strata for label in labels}, key=str)
    number = {label: row for row, label in enumerate(labels)}
    rows = [np.array([number[label] for label in own], dtype=np.int64) for own in strata]
    left = np.array([sum(label in own for own in strata) for label in labels], dtype=np.int64)
    wanted_LG = left[:, None] * (sizes / sizes.sum())
    room_G = sizes.astype(np.float64)
    group_of = np.full(len(strata), -1, dtype=np.int64)
    while left.any():
        rarest = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        for item in (int(index) for index in shuffled if group_of[index] < 0 and labels[rarest] in strata[index]):
            group = _neediest(wanted_LG[rarest], room_G, order)
            group_of[item] = group
            wanted_LG[rows[item], group] -= 1
            room_G[group] -= 1
            left[rows[item]] -= 1
    rest = shuffled[group_of[shuffled] < 0]
    group_of[rest] = np.repeat(np.arange(len(sizes)), room_G.astype(np.int64))
    return group_of


def _neediest(wanted_G: NDArray[np.float64], room_G: NDArray[np.float64], order: np.random.Generator) -> int:
    """The group with room that lacks most of a label, of those the one with most room, then one at random."""
    lacking = np.where(room_G > 0, wanted_G, -np.inf)
    most = np.flatnonzero(lacking == lacking.max())
    roomiest = most[room_G[most] == room_G[most].max()]
    return int(order.choice(roomiest)) if len(roomiest) > 1 else int(roomiest[0])
