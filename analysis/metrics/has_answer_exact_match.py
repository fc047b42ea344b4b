"""Exact match, answerable: share of answerable questions whose answer is a gold answer (SQuAD 2.0)."""

from __future__ import annotations

from analysis.metrics._answer_texts import exact, text_metric

METRIC = text_metric(
    "has_answer_exact_match",
    "Exact match, answerable",
    "share of answerable questions whose answer is a gold answer (SQuAD 2.0).",
    exact,
    answerable=True,
)
