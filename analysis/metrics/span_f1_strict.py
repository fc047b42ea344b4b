"""Span F1, strict: F1 over whole entities that are well-formed in IOB2 (or IOBES)."""

from __future__ import annotations

from analysis.metrics._spans import span_metric, strict_spans

METRIC = span_metric(
    "span_f1_strict",
    "Span F1, strict",
    "F1 over whole entities that are well-formed in IOB2 (or IOBES).",
    mode="strict",
    spans=strict_spans,
)
