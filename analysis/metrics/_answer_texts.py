"""Compares free-text answers as SQuAD 2.0 does (Rajpurkar et al. 2018): normalised, with the best gold text.

A gold entry is one text with all accepted answers, one per line, or the empty text where a question has no answer. An
empty prediction says that there is none; a missing prediction (None) is never right.
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
    """Return the text in lower case, without ASCII punctuation and a, an, the; one space between words."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact(gold: str, predicted: str) -> float:
    """Return 1 for the same text, else 0."""
    return float(gold == predicted)


def overlap(gold: str, predicted: str) -> float:
    """Return F1 of the words that two texts share, as multisets; if one is empty, 1 if both are, else 0."""
    gold_words, predicted_words = gold.split(), predicted.split()
    if not gold_words or not predicted_words:
        return float(gold_words == predicted_words)
    shared = (Counter(gold_words) & Counter(predicted_words)).total()
    return 2 * shared / (len(gold_words) + len(predicted_words))


def text_metric(name: str, title: str, description: str, compare: Comparison, answerable: bool | None = None) -> Metric:
    """Return the metric that averages `compare` over questions, in [0, 1]: the official percentages divided by 100.

    `answerable` keeps only the questions with an answer (True), or only those without one (False).
    """
    counts = partial(_counts, compare, answerable)
    return Metric(name, title, description, counts, _mean, applies=partial(_applies, answerable))


def _applies(answerable: bool | None, labels: Collection[str]) -> bool:
    """Reject a metric of unanswerable questions where every question has an answer."""
    return answerable is not False or "" in labels


def _counts(compare: Comparison, answerable: bool | None, answers: Answers) -> Floats:
    """Return what each item adds, [num_items, 2]: the sum of its scores and its number of questions."""
    pairs = zip(answers.gold, answers.predicted, strict=True)
    scores = np.array([_best(compare, gold, predicted) for gold, predicted in pairs])
    counted = np.array([answerable is None or answerable == (text != "") for text in answers.gold], dtype=np.float64)
    parts = (scores, counted)
    return np.stack([np.bincount(answers.items, counted * part, answers.num_items) for part in parts], axis=1)


def _best(compare: Comparison, gold: Hashable, predicted: Hashable) -> float:
    if predicted is None:
        return 0.0
    if not isinstance(gold, str) or not isinstance(predicted, str):
        raise ValueError(f"answers must be text (empty where gold has none): {predicted!r}, {gold!r}")
    text = normalised(predicted)
    accepted = [answer for answer in map(normalised, gold.split(ALTERNATIVES)) if answer]
    return max(compare(answer, text) for answer in accepted or [""])


def _mean(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])
