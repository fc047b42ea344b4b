"""Labels of whole items: which are refused, how they are weighed, and how probabilities become decisions."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.dataset import DataError, Item
from trainables.data.splits import Split

if TYPE_CHECKING:
    import pandas as pd
    import torch


NEARLY_ALL, MOSTLY = 0.99, 0.9  # shares that make a model collapsed
OUTSIDE = "O"  # F1 metrics leave this label out, because in tagging it means "none"


def label_fault(label: Any) -> str | None:
    """Why a label cannot be used, or None. Class numbers are labels too; -1 is how data sets mark a hidden one."""
    if isinstance(label, bool) or not isinstance(label, str | int):
        return f"a label must be text or a whole number, got {label!r}"
    if str(label) == "-1":
        return "the label -1 marks hidden labels, which cannot be learned or scored"
    if not str(label).strip() or not str(label).isprintable():
        return "a label is empty or holds a control character"
    if label == OUTSIDE:
        return "a class cannot be called 'O': F1 leaves that name out; rename it"
    return None


def require_known(items: Sequence[Item], split: Split, labels_of: Callable[[Item], Sequence[str]]) -> None:
    """Raise DataError where an evaluated label cannot be learned because no training item has it."""
    known = set(chain.from_iterable(labels_of(items[index]) for index in split.train))
    for part in ("validation", "test"):
        for index in split.part(part):
            absent = [label for label in labels_of(items[index]) if label not in known]
            if absent:
                where = f"{part} item {items[index]['id']!r}"
                raise DataError(f"{where}: no training item has the label {absent[0]!r}; change the split")


def balanced(counts: Sequence[int]) -> tuple[float, ...]:
    """Weights that give all classes the same say: items / (classes x items of the class); 1 for a class without any.

    They are scikit-learn's `class_weight="balanced"` (King and Zeng 2001); their mean over the items is 1.
    """
    present = sum(count > 0 for count in counts)
    return tuple(sum(counts) / (present * count) if count else 1.0 for count in counts)


@functools.lru_cache(maxsize=64)
def on_device(weights: tuple[float, ...], device: torch.device) -> torch.Tensor | None:
    """The weights, float32 [C], made once a device and not once a step; None for no weights."""
    import torch

    return torch.tensor(weights, dtype=torch.float32, device=device) if weights else None


def one_answer(predictions: pd.DataFrame, item: str = "item", nothing: str = "the same answer") -> str | None:
    """How many items got one and the same answer, where it is nearly all of them and the right answers differ; or None.

    Nearly all are 99 of 100; then no right answer may be that of more than nine items in ten. Where it is all of them,
    it is enough that two right answers differ. `nothing` is what the empty answer is called.
    """
    said, right = (predictions[name].value_counts(dropna=False) for name in ("predicted", "gold"))
    number, largest = int(said.iloc[0]), int(right.iloc[0])
    what = nothing if said.index[0] == "" else "the same answer"
    if number == len(predictions):
        return f"every {item} got {what}" if len(right) > 1 else None
    if number < NEARLY_ALL * len(predictions) or largest > MOSTLY * len(predictions):
        return None
    return f"{number} of {len(predictions)} {item}s got {what}"


def given_to_all(predictions: pd.DataFrame) -> str | None:
    """Which labels nearly every item gets, where these are most of all labels given and most items lack them; or None.

    Nearly every item is 99 of 100, most labels are nine in ten, and of each such label fewer than half of the items
    have it. Sets of labels are texts with tabs between.
    """
    given, had = (_num_items(predictions[name]) for name in ("predicted", "gold"))
    count = len(predictions)
    to_all = [label for label in given if given[label] >= NEARLY_ALL * count and had[label] < count / 2]
    if not to_all or sum(given[label] for label in to_all) < MOSTLY * given.total():
        return None
    return f"{len(to_all)} of {len(given | had)} labels were given to nearly every item, whatever it says"


def _num_items(sets: pd.Series[Any]) -> Counter[str]:
    """How many items have each label."""
    return Counter(label for text in sets if isinstance(text, str) for label in text.split("\t") if label)


SEPARATOR = "\t"


def as_texts(chosen_NC: NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
    """The labels of each row in the order of the label space, a tab between them; the empty text for none."""
    names = np.array(labels, dtype=object)
    return [SEPARATOR.join(names[row]) for row in chosen_NC]


def has_label(texts: Sequence[str], label: str) -> NDArray[np.bool_]:
    """Which sets hold a label, [N]."""
    return np.array([label in text.split(SEPARATOR) for text in texts], dtype=bool)


def positive_weights(positives: Sequence[int], count: int, largest: float) -> tuple[float, ...]:
    """negatives / positives of each label among `count` items, between 1 / largest and largest; 1 without positives."""
    ratios = ((count - number) / number if number else 1.0 for number in positives)
    return tuple(float(np.clip(ratio, 1 / largest, largest)) for ratio in ratios)


def best_threshold(gold_N: NDArray[np.bool_], probability_N: NDArray[Any], default: float) -> float:
    """The threshold t for which `probability >= t` has the best F1, `default` where no item is positive.

    Only thresholds half-way between two distinct probabilities are different decisions; of equally good ones it is
    that nearest to `default`. F1-optimal thresholds: Lipton, Elkan and Naryanaswamy (2014).
    """
    values, place = np.unique(probability_N.astype(np.float64), return_inverse=True)
    if not gold_N.any():
        return default
    at_least = np.cumsum(np.bincount(place)[::-1])[::-1]
    right = np.cumsum(np.bincount(place, weights=gold_N)[::-1])[::-1]
    f1 = 2 * right / (at_least + gold_N.sum())
    candidates = np.concatenate([values[:1] / 2, (values[:-1] + values[1:]) / 2])
    best = candidates[f1 >= f1.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - default))])
