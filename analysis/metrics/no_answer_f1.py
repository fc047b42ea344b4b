"""Answer F1, unanswerable: share of questions without an answer that get none; it equals their exact match."""

from __future__ import annotations

from analysis.metrics._answer_texts import overlap, text_metric

METRIC = text_metric(
    "no_answer_f1",
    "Answer F1, unanswerable",
    "share of questions without an answer that get none: their exact match under the official script's other name.",
    overlap,
    answerable=False,
)
