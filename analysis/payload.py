"""The answer as one JSON document and as flat tables: the outside's view of an analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.systems import as_row, plain
from analysis.table import SCHEMA_VERSION

if TYPE_CHECKING:
    from analysis.analyze import Analysis

_PRIMARY = ("method", "p", "p_holm", "ci_low", "ci_high")


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
        "warnings": list(analysis.warnings),
        "provenance": plain(analysis.provenance),
        "sources": list(analysis.results.sources),
    }


def _comparison(row: pd.Series[Any]) -> dict[str, Any]:
    flat = as_row(row)
    primary = {name: flat.pop(f"primary_{name}") for name in _PRIMARY}
    return flat | {"primary": primary}


def summary_table(analysis: Analysis) -> pd.DataFrame:
    """One row a system: what `summary_statistics.csv` holds."""
    return analysis.systems.assign(metric=analysis.metric)


def test_table(analysis: Analysis) -> pd.DataFrame:
    """One row a pair: what `statistical_tests.csv` holds, with the claim that its verdicts make."""
    return analysis.comparisons.assign(metric=analysis.metric, alpha=analysis.alpha, claim=analysis.claim)
