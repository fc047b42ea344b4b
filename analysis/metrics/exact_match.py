"""Exact match: share of questions whose answer is a gold answer, or rightly none (SQuAD 2.0)."""

from __future__ import annotations

from analysis.metrics._answer_texts import exact, text_metric

METRIC = text_metric(
    "exact_match",
    "Exact match",
    "share of questions whose answer is a gold answer, or rightly none (SQuAD 2.0).",
    exact,
)
