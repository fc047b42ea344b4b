"""Precision, recall and F1 of each class: what the averages of the metrics hide."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.metrics import answers, ratio
from analysis.metrics._classes import OUTSIDE, class_counts, classes, f1, split


@dataclass(frozen=True)
class ClassScore:
    """One class: precision, recall and F1 (0 where undefined), `support` gold words and `predicted` words."""

    label: Hashable
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def per_class(gold: Sequence[Any], predicted: Sequence[Any], outside: str | None = OUTSIDE) -> list[ClassScore]:
    """Scores of every class that occurs in N gold or N predicted labels, sorted by name, without `outside` (None: all).

    Raises ValueError for lengths that differ and for nothing to score.
    """
    both = answers(gold, predicted)
    tensor = split(class_counts(both, outside).sum(axis=0))
    true, found, support = tensor
    precision, recall, scores = ratio(true, found), ratio(true, support), f1(tensor)
    return [
        ClassScore(label, float(precision[k]), float(recall[k]), float(scores[k]), int(support[k]), int(found[k]))
        for k, label in enumerate(classes(both, outside))
    ]
