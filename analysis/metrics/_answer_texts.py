"""Free-text answers compared as SQuAD 2.0 compares them (Rajpurkar et al. 2018): normalised, best of all gold texts.

A gold entry is one text with all accepted answers, one a line, or the empty text where a question has no answer. The
empty text is also how a prediction says that there is none; no prediction at all (None) is never right.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from functools import partial

import numpy as np

from analysis.metrics import Answers, Floats, Metric, ratio

ALTERNATIVES = "\n"  # between accepted answers of one question; a tab joins labels that all hold
Comparison = Callable[[str, str], float]  # one gold and one predicted text, both normalised

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Lower case, without ASCII punctuation and the words a, an, the; one space between words."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact(gold: str, predicted: str) -> float:
    """1 for the same text, else 0."""
    return float(gold == predicted)


def overlap(gold: str, predicted: str) -> float:
    """F1 of the words that two texts share, as multisets; where one is empty, whether both are."""
    gold_words, predicted_words = gold.split(), predicted.split()
    if not gold_words or not predicted_words:
        return float(gold_words == predicted_words)
    shared = (Counter(gold_words) & Counter(predicted_words)).total()
    return 2 * shared / (len(gold_words) + len(predicted_words))


def text_metric(name: str, title: str, description: str, compare: Comparison, answerable: bool | None = None) -> Metric:
    """Mean of `compare` over questions, in [0, 1]: the official script's percentages divided by 100.

    `answerable` takes the questions that have an answer alone (True), or those that have none (False).
    """
    counts = partial(_counts, compare, answerable)
    return Metric(name, title, description, counts, _mean, applies=partial(_applies, answerable))


def _applies(answerable: bool | None, labels: Collection[str]) -> bool:
    """Questions without an answer alone are nothing where every one has an answer."""
    return answerable is not False or "" in labels


def _counts(compare: Comparison, answerable: bool | None, both: Answers) -> Floats:
    """What each item adds: [num_items, 2], the sum of its scores and its number of questions."""
    scores = np.array([_best(compare, gold, said) for gold, said in zip(both.gold, both.predicted, strict=True)])
    counted = np.array([answerable is None or answerable == (text != "") for text in both.gold], dtype=np.float64)
    return np.stack([np.bincount(both.items, counted * part, both.num_items) for part in (scores, counted)], axis=1)


def _best(compare: Comparison, gold: Hashable, predicted: Hashable) -> float:
    if predicted is None:
        return 0.0
    if not isinstance(gold, str) or not isinstance(predicted, str):
        raise ValueError(f"answers must be text, of gold at least the empty one: {predicted!r}, {gold!r}")
    said = normalised(predicted)
    accepted = [answer for answer in map(normalised, gold.split(ALTERNATIVES)) if answer]
    return max(compare(answer, said) for answer in accepted or [""])


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])
