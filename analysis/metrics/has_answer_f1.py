"""Answer F1, answerable: mean F1 of the words shared with the nearest gold answer, answerable questions only."""

from __future__ import annotations

from analysis.metrics._answer_texts import overlap, text_metric

METRIC = text_metric(
    "has_answer_f1",
    "Answer F1, answerable",
    "mean F1 of the words shared with the nearest gold answer, answerable questions only.",
    overlap,
    answerable=True,
)
