"""The answer as one JSON document and as flat tables: the outside's view of an analysis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import items
from analysis.figure import NotApplicable
from analysis.systems import as_row, plain
from analysis.table import SCHEMA_VERSION

if TYPE_CHECKING:
    from analysis.analyze import Analysis

_PRIMARY = ("method", "p", "p_holm", "df", "ci_low", "ci_high")


def to_json(analysis: Analysis) -> dict[str, Any]:
    """The document that `analyze --json` prints: plain values, null for a number that does not exist."""
    return {
        "schema_version": SCHEMA_VERSION,
        "metric": analysis.metric,
        "direction": analysis.direction,
        "alpha": analysis.alpha,
        "rope": analysis.rope,
        "headline": analysis.headline,
        "claim": analysis.claim,
        "systems": [as_row(row) for _, row in analysis.systems.iterrows()],
        "comparisons": [_comparison(row) for _, row in analysis.comparisons.iterrows()],
        "omnibus": plain(analysis.omnibus),
        "sensitivity": _records(analysis.sensitivity),
        "tasks": _records(analysis.tasks),
        "extra": [_decoded(row) for row in _records(analysis.optional)],
        "warnings": list(analysis.warnings),
        "provenance": plain(analysis.provenance),
        "sources": list(analysis.results.sources),
    }


def _comparison(row: pd.Series[Any]) -> dict[str, Any]:
    flat = as_row(row)
    primary = {name: flat.pop(f"primary_{name}") for name in _PRIMARY}
    return flat | {"primary": primary}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [as_row(row) for _, row in frame.iterrows()]


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """`details` and `systems` are texts in the table, and values in the document."""
    return row | {name: json.loads(row[name]) for name in ("details", "systems")}


def more_tables(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Tables that only some analyses have: optional tests, failures at the baseline, systems by data set."""
    tables = {"optional_tests": analysis.optional, "failure_sensitivity": analysis.sensitivity, "tasks": analysis.tasks}
    return {name: frame for name, frame in tables.items() if not frame.empty}


def summary_table(analysis: Analysis) -> pd.DataFrame:
    """One row a system: what `summary_statistics.csv` holds."""
    return analysis.systems.assign(metric=analysis.metric)


def test_table(analysis: Analysis) -> pd.DataFrame:
    """One row a pair: what `statistical_tests.csv` holds, with the claim that its verdicts make."""
    return analysis.comparisons.assign(metric=analysis.metric, alpha=analysis.alpha, claim=analysis.claim)


def answer_table(analysis: Analysis) -> pd.DataFrame | None:
    """Answers on which the two best systems disagree in most seeds: what `item_disagreements.csv` holds, or None."""
    try:
        return items.disagreements(analysis)
    except NotApplicable:
        return None
