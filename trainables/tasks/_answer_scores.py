"""All fields of SQuAD 2.0's official script (Rajpurkar et al. 2018) from a predictions table, in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import answers
from trainables import registry
from trainables.tasks._answers import best_threshold

if TYPE_CHECKING:
    import pandas as pd

SCORED = ("exact_match", "answer_f1")
_KINDS = {"exact_match": "exact_match", "answer_f1": "f1"}  # names of the metrics of one kind of question


def item_scores(gold: Iterable[Any], predicted: Iterable[Any], metric: str) -> NDArray[np.float64]:
    """Score of each question, [N]; 0 where a prediction is missing."""
    counts: NDArray[np.float64] = registry.load("metric", metric).counts(answers(list(gold), list(predicted)))
    return counts[:, 0]


def official_scores(predictions: pd.DataFrame) -> dict[str, float]:
    """Exact match and F1 over all questions, those with and those without an answer, and at the best threshold.

    Fields of one kind of question are there only where such a question is. A threshold of 0.0 also stands for "the
    empty answer everywhere is best", as in the script.
    """
    answerable = (predictions["gold"] != "").to_numpy()
    kinds = {"has_answer": answerable, "no_answer": ~answerable}
    scores: dict[str, Any] = {"total": len(predictions)}
    scores |= {f"{kind}_total": chosen.sum() for kind, chosen in kinds.items() if chosen.any()}
    for name in SCORED:
        found = item_scores(predictions["gold"], predictions["predicted"], name)
        scores[name] = found.mean()
        scores |= {f"{kind}_{_KINDS[name]}": found[chosen].mean() for kind, chosen in kinds.items() if chosen.any()}
        scores[f"best_{name}"], threshold = best_score(predictions, name)
        scores[f"best_{name}_threshold"] = 0.0 if threshold is None else threshold
    return {name: float(value) for name, value in scores.items()}


def best_score(predictions: pd.DataFrame, metric: str) -> tuple[float, float | None]:
    """The highest score that a threshold on `no_answer_score` gives these answers, and that threshold."""
    scores = item_scores(predictions["gold"], predictions["answer"], metric)
    answered, answerable = ((predictions[name] != "").to_numpy() for name in ("answer", "gold"))
    return best_threshold(scores, answered, answerable, predictions["no_answer_score"].to_numpy())
