"""Turns start and end scores of tokens into one answer per question, tunes the no-answer threshold, and scores both.

Post-processing follows Devlin et al. (2019) for SQuAD 2.0. The scores are all fields of its official script (Rajpurkar
et al. 2018), in [0, 1]. An item holds its question, context and gold answers, and may name its cluster. Legend: W
windows, T tokens, N best starts and ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import answers
from trainables import registry
from trainables.data.dataset import DataError, Item
from trainables.data.features import Ragged
from trainables.data.forms.answers import span_of
from trainables.tasks._texts import missing

if TYPE_CHECKING:
    import pandas as pd


Floats = NDArray[np.float64]
SCORED = ("exact_match", "answer_f1")
_KINDS = {"exact_match": "exact_match", "answer_f1": "f1"}  # what the metrics of one kind of question are called
_WINDOWS_AT_ONCE = 256


@dataclass(frozen=True)
class Spans:
    """The best span of each of W windows: its score (start plus end; -inf: none), first and last token."""

    score: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def best_spans(start: Ragged, end: Ragged, candidate: Ragged, n_best: int, max_answer_length: int) -> Spans:
    """Return each window's best span among its `n_best` highest starts and ends.

    A span has at most `max_answer_length` tokens and begins and ends at a `candidate` (a token with text of the
    context). Of equally good spans the earliest wins.
    """
    parts = []
    for low in range(0, len(start), _WINDOWS_AT_ONCE):
        chosen = slice(low, low + _WINDOWS_AT_ONCE)
        start_WT, end_WT, mask_WT = (_dense(rows, chosen) for rows in (start, end, candidate))
        parts.append(_best_of(start_WT, end_WT, mask_WT > 0, n_best, max_answer_length))
    return Spans(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _best_of(
    start_WT: Floats, end_WT: Floats, candidate_WT: NDArray[np.bool_], n_best: int, longest: int
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    first_WN, last_WN = _highest(start_WT, n_best), _highest(end_WT, n_best)
    tokens_WNN = last_WN[:, None, :] - first_WN[:, :, None] + 1
    allowed = (tokens_WNN >= 1) & (tokens_WNN <= longest)
    allowed &= np.take_along_axis(candidate_WT, first_WN, 1)[:, :, None]
    allowed &= np.take_along_axis(candidate_WT, last_WN, 1)[:, None, :]
    sums = np.take_along_axis(start_WT, first_WN, 1)[:, :, None] + np.take_along_axis(end_WT, last_WN, 1)[:, None, :]
    score_WS = np.where(allowed, sums, -np.inf).reshape(len(sums), -1)
    best = score_WS.argmax(axis=1)
    row, width = np.arange(len(best)), last_WN.shape[1]
    return score_WS[row, best], first_WN[row, best // width], last_WN[row, best % width]


def _highest(values_WT: Floats, count: int) -> NDArray[np.int64]:
    """Return the positions of each row's highest values, in ascending order."""
    return np.sort(np.argsort(-values_WT, axis=1, kind="stable")[:, :count], axis=1)


def _dense(rows: Ragged, chosen: slice) -> Floats:
    """Return adjacent rows as [W, T], filled with -inf where a row is shorter."""
    offsets = rows.offsets[chosen.start : chosen.stop + 1]
    lengths = np.diff(offsets)
    dense = np.full((len(lengths), int(lengths.max())), -np.inf)
    dense[np.arange(dense.shape[1]) < lengths[:, None]] = rows.values[offsets[0] : offsets[-1]]
    return dense


@dataclass(frozen=True)
class BestAnswers:
    """One row per question, in the order of first windows: the best span, and by how much "no answer" beats it.

    `item` is the windows' own index; `window`, `first` and `last` locate the span. `no_answer_score` is the null score
    (the minimum over windows of CLS start plus end) minus the span's score, in logits.
    """

    item: NDArray[np.int64]
    window: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    no_answer_score: Floats


def answers_of(
    item: NDArray[np.int32], start: Ragged, end: Ragged, candidate: Ragged, n_best: int, max_answer_length: int
) -> BestAnswers:
    """Return the best span over all windows of each question. `item` [W] says which question a window belongs to.

    The windows of one question are adjacent. Where no best start fits a best end, all tokens of the question's windows
    are searched.
    """
    spans = best_spans(start, end, candidate, n_best, max_answer_length)
    bounds = np.flatnonzero(np.diff(item, prepend=-1))
    group = np.repeat(np.arange(len(bounds)), np.diff(bounds, append=len(item)))
    has_span = np.isfinite(np.maximum.reduceat(spans.score, bounds))
    if not has_span.all():
        spans = _search_all_tokens(spans, np.flatnonzero(~has_span[group]), start, end, candidate, max_answer_length)
    best = np.maximum.reduceat(spans.score, bounds)
    assert np.isfinite(best).all(), "every question has a window with text of its context"
    hits = np.flatnonzero(spans.score == best[group])
    window = hits[np.unique(group[hits], return_index=True)[1]]
    null = np.minimum.reduceat(_first_values(start) + _first_values(end), bounds)
    return BestAnswers(item[bounds].astype(np.int64), window, spans.first[window], spans.last[window], null - best)


def _search_all_tokens(
    spans: Spans, windows: NDArray[np.int64], start: Ragged, end: Ragged, candidate: Ragged, max_answer_length: int
) -> Spans:
    scores = start.take(windows), end.take(windows)
    better = best_spans(*scores, candidate.take(windows), int(scores[0].lengths.max()), max_answer_length)
    merged = Spans(spans.score.copy(), spans.first.copy(), spans.last.copy())
    merged.score[windows], merged.first[windows], merged.last[windows] = better.score, better.first, better.last
    return merged


def _first_values(rows: Ragged) -> Floats:
    return rows.values[rows.offsets[:-1]].astype(np.float64)


def best_threshold(
    scores: Floats, answered: NDArray[np.bool_], answerable: NDArray[np.bool_], no_answer_score: Floats
) -> tuple[float, float | None]:
    """Return the highest mean score that a threshold reaches, and the lowest such threshold (SQuAD 2.0 script).

    `scores` are the scores of the given answers; `answered` says which of them are not empty. A question whose
    `no_answer_score` is above the threshold gets the empty answer, so questions with equal values switch together. The
    threshold is one of the values, or None where nothing beats the empty answer to every question.
    """
    gain = np.where(answerable, scores, -answered.astype(np.float64))
    order = np.argsort(no_answer_score, kind="stable")
    totals = np.cumsum([float((~answerable).sum()), *gain[order]])
    sides = np.flatnonzero(np.diff(no_answer_score[order], prepend=-np.inf, append=np.inf))
    best = int(sides[totals[sides].argmax()])
    return float(totals[best] / len(scores)), float(no_answer_score[order[best - 1]]) if best else None


def item_scores(gold: Iterable[Any], predicted: Iterable[Any], metric: str) -> NDArray[np.float64]:
    """Return the score of each question, [N]; 0 where a prediction is missing."""
    counts: NDArray[np.float64] = registry.load("metric", metric).counts(answers(list(gold), list(predicted)))
    return counts[:, 0]


def official_scores(predictions: pd.DataFrame) -> dict[str, float]:
    """Return exact match and F1 over all questions, over those with and without an answer, and at the best threshold.

    Fields about one kind of question are present only if there is such a question. A threshold of 0.0 also means that
    the empty answer is best everywhere, as in the official script.
    """
    answerable = (predictions["gold"] != "").to_numpy()
    kinds = {"has_answer": answerable, "no_answer": ~answerable}
    scores: dict[str, Any] = {"total": len(predictions)}
    scores |= {f"{kind}_total": chosen.sum() for kind, chosen in kinds.items() if chosen.any()}
    for name in SCORED:
        of_items = item_scores(predictions["gold"], predictions["predicted"], name)
        scores[name] = of_items.mean()
        scores |= {f"{kind}_{_KINDS[name]}": of_items[chosen].mean() for kind, chosen in kinds.items() if chosen.any()}
        scores[f"best_{name}"], threshold = best_score(predictions, name)
        scores[f"best_{name}_threshold"] = 0.0 if threshold is None else threshold
    return {name: float(value) for name, value in scores.items()}


def best_score(predictions: pd.DataFrame, metric: str) -> tuple[float, float | None]:
    """Return the highest score that a threshold on `no_answer_score` gives these answers, and that threshold."""
    scores = item_scores(predictions["gold"], predictions["answer"], metric)
    answered, answerable = ((predictions[name] != "").to_numpy() for name in ("answer", "gold"))
    return best_threshold(scores, answered, answerable, predictions["no_answer_score"].to_numpy())


NO_ANSWERS: dict[str, list[Any]] = {"text": [], "answer_start": []}


def require_sound(items: Sequence[Item]) -> None:
    """Raise DataError if there are no questions, or naming the first one that cannot be read."""
    if not items:
        raise DataError("there are no questions")
    for number, item in enumerate(items, start=1):
        reason = _fault(item)
        if reason:
            raise DataError(f"item {number} (question {item.get('id')!r}): {reason}")


def _fault(item: Item) -> str | None:
    for name in ("question", "context"):
        if item.get(name) is None:
            return missing(item, name)
        if not isinstance(item[name], str) or not item[name].strip():
            return f"its {name} is empty or not text"
    answers = item.get("answers")
    if not isinstance(answers, Mapping) or {"text", "answer_start"} - set(answers):
        return "it has no answers: lists `text` and `answer_start`, both empty where the context holds no answer"
    if len(answers["text"]) != len(answers["answer_start"]):
        return f"{len(answers['text'])} answers but {len(answers['answer_start'])} offsets"
    reasons = (
        _answer_fault(item["context"], *pair) for pair in zip(answers["text"], answers["answer_start"], strict=True)
    )
    return next(filter(None, reasons), None)


def _answer_fault(context: str, text: Any, start: Any) -> str | None:
    if not isinstance(text, str) or not text.strip():
        return f"an answer must be text, got {text!r}"
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        return f"an offset must be a whole number of characters, got {start!r}"
    if span_of(context, text, start) is not None:
        return None
    actual, elsewhere = context[start : start + len(text)], context.find(text.strip())
    remedy = f"; the answer is at character {elsewhere}" if elsewhere >= 0 else "; the context does not hold the answer"
    return f"its answer {text!r} is not at character {start} of the context, {actual!r} is{remedy}"


def has_answer(item: Item) -> bool:
    """Return whether a question has an answer; False also for one that cannot be read."""
    answers = item.get("answers")
    return isinstance(answers, Mapping) and bool(answers.get("text"))


def first_answer(item: Item) -> tuple[int, int] | None:
    """Return where the words of the first gold answer begin and end (exclusive), in characters; None for no answer."""
    answers = item["answers"]
    if not answers["text"]:
        return None
    span = span_of(item["context"], answers["text"][0], int(answers["answer_start"][0]))
    assert span is not None, "require_sound has checked the answer"
    return span


def gold(item: Item) -> str:
    """Return the distinct gold answers, one per line (inner line breaks become spaces); empty for none."""
    return "\n".join(dict.fromkeys(" ".join(text.split()) for text in item["answers"]["text"]))
