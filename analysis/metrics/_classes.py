"""Per-class counts and F1 for plain labels and sets of labels; every metric over classes is an average of these."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import Answers, Floats, ratio

OUTSIDE = "O"


def members(label: Hashable) -> tuple[Hashable, ...]:
    """Return the labels of one entry: none if it is missing or empty, several if tabs separate them."""
    if label is None or label == "":
        return ()
    return tuple(label.split("\t")) if isinstance(label, str) else (label,)


def classes(both: Answers, outside: str | None) -> list[Hashable]:
    """Return the classes in gold, predictions or the given label space, without `outside`, sorted by name."""
    entries: set[Hashable] = {*both.gold, *both.predicted}
    return sorted({*chain.from_iterable(map(members, entries)), *both.labels} - {outside}, key=str)


def class_counts(both: Answers, outside: str | None) -> Floats:
    """Return what each item adds, [num_items, 3 x C]: true positives, predicted and gold entries of each class."""
    labels = classes(both, outside)
    index = {label: k for k, label in enumerate(labels)}
    gold, predicted = (_cells(entries, index) for entries in (both.gold, both.predicted))
    groups = (np.intersect1d(gold, predicted, assume_unique=True), predicted, gold)
    return np.concatenate([_histogram(group, both, len(labels)) for group in groups], axis=1)


def asked_counts(both: Answers, outside: str | None) -> Floats:
    """Return [num_items, 4 x C]: `class_counts`, and a last block of 1 for classes of the given label space, else 0."""
    asked = np.array([label in both.labels for label in classes(both, outside)], dtype=np.float64)
    return np.concatenate([class_counts(both, outside), np.tile(asked, (both.num_items, 1))], axis=1)


def rarest_class(both: Answers, outside: str | None) -> tuple[str, int] | None:
    """Return the gold class that the fewest items have, and how many; the first by name of several, None of none."""
    labels = classes(both, outside)
    cells = _cells(both.gold, {label: number for number, label in enumerate(labels)})
    items = (_histogram(cells, both, len(labels)) > 0).sum(axis=0)
    present = np.flatnonzero(items)
    if not len(present):
        return None
    rarest = int(present[np.argmin(items[present])])
    return str(labels[rarest]), int(items[rarest])


def _cells(entries: Sequence[Hashable], index: Mapping[Hashable, int]) -> NDArray[np.int64]:
    """Return the entry and class of every label as one number, entry x C + class, without repetition."""
    kept = {label: [index[member] for member in members(label) if member in index] for label in set(entries)}
    rows = [kept[label] for label in entries]
    entry = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return np.unique(entry * len(index) + np.fromiter(chain.from_iterable(rows), np.int64, len(entry)))


def _histogram(cells: NDArray[np.int64], both: Answers, num_classes: int) -> Floats:
    entry, label = np.divmod(cells, max(1, num_classes))
    counts = np.bincount(both.items[entry] * num_classes + label, minlength=both.num_items * num_classes)
    return counts.astype(np.float64).reshape(both.num_items, num_classes)


def split(sums: Floats) -> Floats:
    """Reshape [..., 3 x C] to [..., 3, C]: true positives, predicted, gold."""
    return sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3)


def f1(tensor: Floats) -> Floats:
    """Return F1 per class, [..., C], from [..., 3, C]: 2 TP / (predicted + gold), 0 if the class does not occur."""
    return ratio(2 * tensor[..., 0, :], tensor[..., 1, :] + tensor[..., 2, :])


def micro(sums: Floats) -> Floats:
    """Return F1 of the counts pooled over classes."""
    return f1(split(sums).sum(axis=-1, keepdims=True))[..., 0]


def macro(sums: Floats) -> Floats:
    """Return the mean F1 over the classes that occur or are in the label space; sums come from `asked_counts`."""
    tensor = sums.reshape(*sums.shape[:-1], 4, sums.shape[-1] // 4)
    present = (tensor[..., 1:, :].sum(axis=-2) > 0).sum(axis=-1).astype(np.float64)
    return ratio(f1(tensor).sum(axis=-1), present)


def weighted(sums: Floats) -> Floats:
    """Return the mean F1 over classes, weighted by the gold words of each."""
    tensor = split(sums)
    support = tensor[..., 2, :]
    return ratio((f1(tensor) * support).sum(axis=-1), support.sum(axis=-1))
