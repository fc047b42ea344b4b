"""One metric per file: counts summed over items and a value of that sum, so that plain and weighted scores agree.

Start with `Metric` in this file, the contract, and with `accuracy.py` for an example; metrics over classes build on
`_classes.py`. Write `counts` and `value`; plain and weighted scores follow. An item of weight 0 must change nothing: a
class that occurs in no other item must not count.

A task lists its metrics (`metrics` in `trainables/tasks/`) and scores its columns `gold` and `predicted`
with them; `comparison/item_counts.py` counts the same columns for the verdict. Imports numpy alone, as `trainables`
uses these files, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Gold and predicted labels in reading order, one entry per word (or per sentence, where it has one label).

    `items` [N] says which item (sentence) an entry belongs to, as 0 .. num_items - 1; an item's entries are adjacent.
    Several labels of one entry are one text with tabs between them; an empty text means no label. A prediction of None
    means no answer, which is neither right nor a class: a miss in every metric.
    `labels` is the whole label space where the entries do not show it all (labels that never occur count too); of two
    labels the last one is the positive.
    """

    gold: Sequence[Hashable]
    predicted: Sequence[Hashable]
    items: NDArray[np.int64]
    num_items: int
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A score in the unit of its name; larger is better unless `direction` says otherwise.

    `counts(answers)` returns what each item adds, [num_items, S]; `value(sums)` turns [..., S] into [...]. Resampling
    items is then `value(weights @ counts)`. `applies(labels)` says whether a label set can be scored. `bounds` are the
    lowest and the highest possible score. `said` names the column of the predictions that is compared with gold.
    `rarest`, of a mean over classes, which a class with few items can decide, returns that class and how many items
    have it.
    """

    name: str
    title: str
    description: str
    counts: Callable[[Answers], Floats]
    value: Callable[[Floats], Floats]
    direction: str = "maximize"
    mode: str | None = None
    applies: Callable[[Collection[str]], bool] = lambda labels: True
    bounds: tuple[float, float] = (0.0, 1.0)
    said: str = "predicted"
    rarest: Callable[[Answers], tuple[str, int] | None] | None = None

    def score(
        self,
        gold: Sequence[Any],
        predicted: Sequence[Any],
        items: ArrayLike | None = None,
        labels: Sequence[str] = (),
    ) -> float:
        """Return the metric of N gold and N predicted labels. `items` [N]: the item each belongs to (None: one each).

        `labels` as in Answers. Raises ValueError for lengths that differ, nothing to score, or labels that this
        metric cannot read.
        """
        return self._number(self.counts(answers(gold, predicted, items, labels)).sum(axis=0))

    def weighted(
        self,
        gold: Sequence[Any],
        predicted: Sequence[Any],
        weights: ArrayLike,
        items: ArrayLike | None = None,
        labels: Sequence[str] = (),
    ) -> float:
        """Return the metric with item i counted `weights[i]` times; `weights` [num_items], in order of appearance."""
        counts = self.counts(answers(gold, predicted, items, labels))
        factors = np.asarray(weights, dtype=np.float64)
        if factors.shape != counts.shape[:1]:
            raise ValueError(f"weights must hold one number for each of {len(counts)} items, got shape {factors.shape}")
        return self._number(factors @ counts)

    def _number(self, sums: Floats) -> float:
        score = float(self.value(sums))
        assert np.isfinite(score), f"{self.name} is {score}, which is never a score"
        return score


def answers(
    gold: Sequence[Any], predicted: Sequence[Any], items: ArrayLike | None = None, labels: Sequence[str] = ()
) -> Answers:
    """Check N gold and predicted labels and number their items; raises ValueError naming what does not fit.

    A NaN, which marks a missing value in a column of a table, becomes None.
    """
    gold, predicted = _entries(gold), _entries(predicted)
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels do not pair with {len(predicted)} predicted ones")
    if not gold:
        raise ValueError("there is nothing to score")
    if items is None:
        return Answers(gold, predicted, np.arange(len(gold)), len(gold), tuple(labels))
    names = np.asarray(items)
    if names.shape != (len(gold),):
        raise ValueError(f"items must name the item of each of {len(gold)} labels, got shape {names.shape}")
    numbers: dict[Any, int] = {}
    index = np.array([numbers.setdefault(name, len(numbers)) for name in names.tolist()], dtype=np.int64)
    if np.any(np.diff(index) < 0):
        raise ValueError("the labels of an item must be adjacent")
    return Answers(gold, predicted, index, len(numbers), tuple(labels))


def _entries(values: Sequence[Any]) -> list[Any]:
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]


def labels_of(texts: Sequence[Any]) -> tuple[str, ...]:
    """Return the label space in a `labels` column of predictions (every row the same text, tabs between), or ()."""
    text = texts[0] if len(texts) else None
    return tuple(text.split("\t")) if isinstance(text, str) and text else ()


def ordered(labels: Collection[Hashable]) -> list[Hashable]:
    """Sort labels by name, or by value if all are whole numbers; of two the last is positive (`1`, `yes`, `spam`)."""
    numeric = all(str(label).isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(str(label)) if numeric else 0, str(label)))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the quotient, 0 where the denominator is 0 (scikit-learn's `zero_division=0`)."""
    return np.divide(numerator, denominator, out=np.zeros(np.shape(denominator)), where=denominator > 0)
