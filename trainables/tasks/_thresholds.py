"""Decisions on label probabilities: thresholds, weights of rare labels, and sets of labels as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
