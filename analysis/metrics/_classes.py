"""Per-class counts and F1 for plain labels and sets of labels; every metric over classes is an average of these."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import Answers, Floats, ratio

OUTSIDE = "O"


def members(label: Hashable) -> tuple[Hashable, ...]:
    """The labels of one entry: none for a missing or empty one, several where there are tabs between."""
    if label is None or label == "":
        return ()
    return tuple(label.split("\t")) if isinstance(label, str) else (label,)


def classes(both: Answers, outside: str | None) -> list[Hashable]:
    """The classes that occur in gold or predicted, or are asked for, without `outside`, sorted by name."""
    found: set[Hashable] = {*both.gold, *both.predicted}
    return sorted({*chain.from_iterable(map(members, found)), *both.labels} - {outside}, key=str)


def class_counts(both: Answers, outside: str | None) -> Floats:
    """What each item adds: [num_items, 3 x C], true positives, then predicted, then gold entries of each class."""
    labels = classes(both, outside)
    number = {label: k for k, label in enumerate(labels)}
    gold, found = (_cells(entries, number) for entries in (both.gold, both.predicted))
    groups = (np.intersect1d(gold, found, assume_unique=True), found, gold)
    return np.concatenate([_histogram(group, both, len(labels)) for group in groups], axis=1)


def asked_counts(both: Answers, outside: str | None) -> Floats:
    """[num_items, 4 x C]: `class_counts`, and a last block that is 1 for the classes of a given label space, else 0."""
    asked = np.array([label in both.labels for label in classes(both, outside)], dtype=np.float64)
    return np.concatenate([class_counts(both, outside), np.tile(asked, (both.num_items, 1))], axis=1)


def _cells(entries: Sequence[Hashable], number: Mapping[Hashable, int]) -> NDArray[np.int64]:
    """Entry and class of every label as one number, entry x C + class, without repetition."""
    kept = {label: [number[member] for member in members(label) if member in number] for label in set(entries)}
    rows = [kept[label] for label in entries]
    place = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return np.unique(place * len(number) + np.fromiter(chain.from_iterable(rows), np.int64, len(place)))


def _histogram(cells: NDArray[np.int64], both: Answers, num_classes: int) -> Floats:
    place, number = np.divmod(cells, max(1, num_classes))
    counts = np.bincount(both.items[place] * num_classes + number, minlength=both.num_items * num_classes)
    return counts.astype(np.float64).reshape(both.num_items, num_classes)


def split(sums: Floats) -> Floats:
    """[..., 3 x C] as [..., 3, C]: true positives, predicted, gold."""
    return sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3)


def f1(tensor: Floats) -> Floats:
    """F1 per class, [..., C], from [..., 3, C]: 2 TP / (predicted + gold), 0 where the class does not occur."""
    return ratio(2 * tensor[..., 0, :], tensor[..., 1, :] + tensor[..., 2, :])


def micro(sums: Floats) -> Floats:
    """F1 of the counts pooled over classes."""
    return f1(split(sums).sum(axis=-1, keepdims=True))[..., 0]


def macro(sums: Floats) -> Floats:
    """Mean F1 over the classes that occur in gold or predicted or were asked for; sums are of `asked_counts`."""
    tensor = sums.reshape(*sums.shape[:-1], 4, sums.shape[-1] // 4)
    present = (tensor[..., 1:, :].sum(axis=-2) > 0).sum(axis=-1).astype(np.float64)
    return ratio(f1(tensor).sum(axis=-1), present)


def weighted(sums: Floats) -> Floats:
    """Mean F1 over classes, weighted by the gold words of each."""
    tensor = split(sums)
    support = tensor[..., 2, :]
    return ratio((f1(tensor) * support).sum(axis=-1), support.sum(axis=-1))
