"""Weighted F1 over subword tokens: every token that a model saw counts as a word with the label of its word.

This is the score of code that labels every token of a word. Words that were cut off have no token and are not counted,
and systems with different tokenizers are scored on different tokens: compare systems by `weighted_f1`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import chain

import numpy as np

from analysis.metrics import Answers, Floats, Metric
from analysis.metrics._classes import OUTSIDE, class_counts, members, weighted


def _applies(labels: Collection[str]) -> bool:
    return not any("\t" in str(label) for label in labels)


def _counts(both: Answers) -> Floats:
    """Count tokens as words. A word's prediction is one text: the labels of its tokens with tabs between."""
    tokens = [members(entry) for entry in both.predicted]
    words = np.repeat(np.arange(len(tokens)), [len(row) for row in tokens])
    gold = [both.gold[word] for word in words.tolist()]
    predicted = list(chain.from_iterable(tokens))
    return class_counts(replace(both, gold=gold, predicted=predicted, items=both.items[words]), OUTSIDE)


METRIC = Metric(
    name="piece_weighted_f1",
    title="Weighted F1 over subword tokens",
    description="weighted F1 without the outside label O, every subword token counted as a word with its label.",
    counts=_counts,
    value=weighted,
    applies=_applies,
    said="pieces",
)
