"""Per-class counts and F1 for plain labels; every metric over classes is an average of these."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from analysis.metrics import Answers, Floats, ratio

OUTSIDE = "O"


def classes(both: Answers, outside: str | None) -> list[Hashable]:
    """The classes that occur in gold or predicted, without `outside`, sorted by name; None is a missing prediction."""
    return sorted({*both.gold, *both.predicted} - {outside, None}, key=str)


def class_counts(both: Answers, outside: str | None) -> Floats:
    """What each item adds: [num_items, 3 x C], true positives, then predicted, then gold words of each class."""
    labels = classes(both, outside)
    number = {label: k for k, label in enumerate(labels)}
    gold = np.array([number.get(label, -1) for label in both.gold])
    found = np.array([number.get(label, -1) for label in both.predicted])
    groups = (np.where(gold == found, gold, -1), found, gold)
    return np.concatenate([_histogram(group, both, len(labels)) for group in groups], axis=1)


def _histogram(numbers: Any, both: Answers, num_classes: int) -> Floats:
    kept = numbers >= 0
    cells = both.items[kept] * num_classes + numbers[kept]
    counts = np.bincount(cells, minlength=both.num_items * num_classes).astype(np.float64)
    return counts.reshape(both.num_items, num_classes)


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
    """Mean F1 over the classes that occur in gold or predicted."""
    tensor = split(sums)
    present = (tensor[..., 1, :] + tensor[..., 2, :] > 0).sum(axis=-1).astype(np.float64)
    return ratio(f1(tensor).sum(axis=-1), present)


def weighted(sums: Floats) -> Floats:
    """Mean F1 over classes, weighted by the gold words of each."""
    tensor = split(sums)
    support = tensor[..., 2, :]
    return ratio((f1(tensor) * support).sum(axis=-1), support.sum(axis=-1))
