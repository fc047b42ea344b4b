"""Exact match, unanswerable: share of questions without an answer that get none (SQuAD 2.0)."""

from __future__ import annotations

from analysis.metrics._answer_texts import exact, text_metric

METRIC = text_metric(
    "no_answer_exact_match",
    "Exact match, unanswerable",
    "share of questions without an answer that get none (SQuAD 2.0).",
    exact,
    answerable=False,
)
