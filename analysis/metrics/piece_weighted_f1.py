"""Weighted F1 over pieces: every piece that a model saw counts as a word with the label of its word.

So scores code that gives all pieces of a word its label. Words that were cut off have no piece and are not counted, and
systems with other tokenizers are scored on other pieces: `weighted_f1` is the one to compare by.
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
    """A word's prediction is a text: the labels of its pieces with tabs between."""
    pieces = [members(entry) for entry in both.predicted]
    word = np.repeat(np.arange(len(pieces)), [len(row) for row in pieces])
    gold = [both.gold[place] for place in word.tolist()]
    said = list(chain.from_iterable(pieces))
    return class_counts(replace(both, gold=gold, predicted=said, items=both.items[word]), OUTSIDE)


METRIC = Metric(
    name="piece_weighted_f1",
    title="Weighted F1 over pieces",
    description="weighted F1 without the outside label O, every piece counting as a word with the label of its word.",
    counts=_counts,
    value=weighted,
    applies=_applies,
    said="pieces",
)
