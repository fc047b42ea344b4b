"""Span F1: F1 over whole entities; a tag that cannot continue an entity starts one (conlleval)."""

from __future__ import annotations

from analysis.metrics._spans import lenient_spans, span_metric

METRIC = span_metric(
    "span_f1",
    "Span F1",
    "F1 over whole entities; a tag that cannot continue an entity starts one (conlleval).",
    mode="lenient",
    spans=lenient_spans,
)
