"""Divides items into groups that hold every label in proportion, item by item or in whole clusters.

Items may have several labels: iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), the rarest label
first, where no group ever takes more items than its size. Whole clusters are drawn at random and then moved and
exchanged while that brings sizes and labels nearer to the shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Strata = Sequence[AbstractSet[Hashable]]


def divide(count: int, sizes: Sequence[int], order: np.random.Generator, strata: Strata | None = None) -> list[Indices]:
    """Divide 0 .. count - 1 into disjoint groups; group g has `sizes[g]` items, and `sizes` add up to `count`.

    `strata` holds the labels of each item; None means a plain draw. If every item has one label, or for a plain draw,
    the groups are stretches of one permutation, so the first group does not depend on how the others are cut.
    """
    assert sum(sizes) == count, f"sizes add up to {sum(sizes)}, there are {count} items"
    shuffled = order.permutation(count)
    if strata is not None and any(len(labels) != 1 for labels in strata):
        group_of = _iterative(shuffled, np.asarray(sizes), strata, order)
        return [np.flatnonzero(group_of == group) for group in range(len(sizes))]
    permutation = shuffled if strata is None else _in_proportion(shuffled, strata)
    return np.split(permutation, np.cumsum(sizes)[:-1])


def _in_proportion(shuffled: Indices, strata: Strata) -> Indices:
    """Return a permutation in which every stretch holds the labels in proportion."""
    members: dict[AbstractSet[Hashable], list[int]] = {}
    for index in shuffled.tolist():
        members.setdefault(strata[index], []).append(index)
    quantile = {index: (rank + 0.5) / len(group) for group in members.values() for rank, index in enumerate(group)}
    return np.array(sorted(shuffled.tolist(), key=quantile.__getitem__), dtype=np.int64)


def _iterative(shuffled: Indices, sizes: Indices, strata: Strata, order: np.random.Generator) -> Indices:
    """Return the group of each item, [count]."""
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
    """Return the group with room that lacks most of a label; ties go to the most room, then to chance."""
    lacking = np.where(room_G > 0, wanted_G, -np.inf)
    most = np.flatnonzero(lacking == lacking.max())
    roomiest = most[room_G[most] == room_G[most].max()]
    return int(order.choice(roomiest)) if len(roomiest) > 1 else int(roomiest[0])


MOST_VISITS = 20_000  # clusters that are looked at for a better group; with so many, the first draw is even already
PARTNERS = 32  # clusters of other groups that each of them might be exchanged with
SIZE_WEIGHT = 4.0  # a group's size counts as much as this many labels


def divide_whole(
    clusters: Indices, sizes: Sequence[int], order: np.random.Generator, strata: Strata | None = None
) -> list[Indices]:
    """Divide items as `divide` does, but never a cluster; `clusters` [N] numbers the cluster of each item from 0.

    Sizes and shares of labels are as near to what was asked for as whole clusters allow; a group of size 0 stays
    empty, and every other one gets a cluster. Raises ValueError if there are fewer clusters than such groups.
    """
    wanted = np.flatnonzero(np.asarray(sizes))
    num_clusters = int(clusters.max(initial=-1)) + 1
    if num_clusters < len(wanted):
        raise ValueError(f"{num_clusters} clusters cannot be divided into {len(wanted)} parts")
    counts_KL = _counts(clusters, num_clusters, strata)
    share_G = np.asarray(sizes, dtype=np.float64)[wanted] / sum(sizes)
    shuffled = cluster_order(clusters, order, strata)
    placed = _Placement(counts_KL, _stretches(shuffled, counts_KL[:, 0], share_G), share_G)
    for cluster in order.permutation(num_clusters)[:MOST_VISITS].tolist():
        placed.improve(cluster, order.integers(0, num_clusters, size=PARTNERS))
    placed.fill_empty_groups()
    of_item = wanted[placed.group_of[clusters]]
    return [np.flatnonzero(of_item == group) for group in range(len(sizes))]


def cluster_order(clusters: Indices, order: np.random.Generator, strata: Strata | None) -> Indices:
    """Return the clusters in random order, in which every stretch has its share of those with the same main label."""
    num_clusters = int(clusters.max(initial=-1)) + 1
    shuffled: Indices = order.permutation(num_clusters)
    if strata is None:
        return shuffled
    labels: list[Counter[Hashable]] = [Counter() for _ in range(num_clusters)]
    for cluster, own in zip(clusters.tolist(), strata, strict=True):
        labels[cluster].update(own)
    main = [frozenset({min(own, key=lambda label: (-own[label], str(label)))} if own else ()) for own in labels]
    return _in_proportion(shuffled, main)


def _counts(clusters: Indices, num_clusters: int, strata: Strata | None) -> NDArray[np.float64]:
    """Return how many items each cluster has, and how many of them have each label: [clusters, 1 + labels]."""
    labels = sorted({label for own in strata or () for label in own}, key=str)
    number = {label: column for column, label in enumerate(labels, start=1)}
    counts_KL = np.zeros((num_clusters, 1 + len(labels)))
    counts_KL[:, 0] = np.bincount(clusters, minlength=num_clusters)
    for cluster, own in zip(clusters.tolist(), strata or (), strict=strata is not None):
        for label in own:
            counts_KL[cluster, number[label]] += 1
    return counts_KL


def _stretches(shuffled: Indices, size_K: NDArray[np.float64], share_G: NDArray[np.float64]) -> Indices:
    """Return the group of each cluster if the clusters in this order are cut at the shares; middles decide."""
    ends = np.cumsum(size_K[shuffled])
    middles = (ends - size_K[shuffled] / 2) / ends[-1]
    group_of = np.zeros(len(shuffled), dtype=np.int64)
    group_of[shuffled] = np.minimum(np.searchsorted(np.cumsum(share_G), middles), len(share_G) - 1)
    return group_of


class _Placement:
    """Which group every cluster is in, and how far the groups are from their shares (a chi-square)."""

    def __init__(self, counts_KL: NDArray[np.float64], group_of: Indices, share_G: NDArray[np.float64]) -> None:
        self.counts_KL, self.group_of = counts_KL, group_of
        target_GL = share_G[:, None] * counts_KL.sum(axis=0)
        self.weight_GL = 1 / np.maximum(target_GL, 1e-9)
        self.weight_GL[:, 0] *= SIZE_WEIGHT
        self.surplus_GL = -target_GL
        np.add.at(self.surplus_GL, group_of, counts_KL)

    def improve(self, cluster: int, partners: Indices) -> None:
        """Move a cluster to the best group, or exchange it for the best partner, if that brings all nearer."""
        moves_G = self._changes(cluster, np.zeros_like(self.counts_KL[0]), np.arange(len(self.surplus_GL)))
        partners = partners[self.group_of[partners] != self.group_of[cluster]]
        swaps = self._changes(cluster, self.counts_KL[partners], self.group_of[partners])
        best_move, best_swap = moves_G.min(), swaps.min(initial=np.inf)
        if min(best_move, best_swap) >= 0:
            return
        if best_move <= best_swap:
            self._move(cluster, int(np.argmin(moves_G)))
            return
        partner = int(partners[np.argmin(swaps)])
        own, other = int(self.group_of[cluster]), int(self.group_of[partner])
        self._move(cluster, other)
        self._move(partner, own)

    def fill_empty_groups(self) -> None:
        """Give each group without a cluster the smallest one of the groups that have several."""
        for group in range(len(self.surplus_GL)):
            if (self.group_of == group).any():
                continue
            several = np.bincount(self.group_of, minlength=len(self.surplus_GL))[self.group_of] > 1
            self._move(int(np.argmin(np.where(several, self.counts_KL[:, 0], np.inf))), group)

    def _changes(self, cluster: int, back_PL: NDArray[np.float64], group_P: Indices) -> NDArray[np.float64]:
        """Return by how much the distance grows if the cluster goes to group p and `back_PL[p]` comes back, [P].

        Rounded, so that the last bits, which differ between machines, decide nothing.
        """
        own = self.group_of[cluster]
        gain_PL = self.counts_KL[cluster] - back_PL + np.zeros((len(group_P), 1))
        there = ((2 * self.surplus_GL[group_P] + gain_PL) * gain_PL * self.weight_GL[group_P]).sum(axis=1)
        here = ((gain_PL - 2 * self.surplus_GL[own]) * gain_PL * self.weight_GL[own]).sum(axis=1)
        return np.round(np.where(group_P == own, 0.0, there + here), 6)

    def _move(self, cluster: int, group: int) -> None:
        self.surplus_GL[self.group_of[cluster]] -= self.counts_KL[cluster]
        self.surplus_GL[group] += self.counts_KL[cluster]
        self.group_of[cluster] = group
