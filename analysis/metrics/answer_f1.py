"""Answer F1: mean over questions of the F1 of the words shared with the nearest gold answer (SQuAD 2.0)."""

from __future__ import annotations

from analysis.metrics._answer_texts import overlap, text_metric

METRIC = text_metric(
    "answer_f1",
    "Answer F1",
    "mean over questions of the F1 of the words shared with the nearest gold answer (SQuAD 2.0).",
    overlap,
)
