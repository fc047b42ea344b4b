"""The result as flat tables: the contents of the CSV and Parquet files of an analysis."""

from __future__ import annotations

import pandas as pd

from analysis.plotting import item_disagreements
from analysis.plotting.figure import NotApplicable
from analysis.result import Analysis


def more_tables(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Return tables that only some analyses have: search, optional tests, failures at the baseline, data sets."""
    tables = {
        "search": search_table(analysis),
        "optional_tests": analysis.optional,
        "failure_sensitivity": analysis.sensitivity,
        "tasks": analysis.tasks,
    }
    return {name: frame for name, frame in tables.items() if not frame.empty}


def search_table(analysis: Analysis) -> pd.DataFrame:
    """Return `search.csv`: one row per searched system; empty without a search."""
    findings = analysis.search
    return pd.DataFrame() if findings is None else findings.systems.assign(metric=findings.metric)


def summary_table(analysis: Analysis) -> pd.DataFrame:
    """Return `summary_statistics.csv`: one row per system."""
    return analysis.systems.assign(metric=analysis.metric)


def test_table(analysis: Analysis) -> pd.DataFrame:
    """Return `statistical_tests.csv`: one row per pair, with the claim that its verdicts make."""
    return analysis.comparisons.assign(metric=analysis.metric, alpha=analysis.alpha, claim=analysis.claim)


def disagreement_table(analysis: Analysis) -> pd.DataFrame | None:
    """Return `item_disagreements.csv`: what the two best systems disagree on in most seeds; None if unknown."""
    try:
        return item_disagreements.disagreements(analysis)
    except NotApplicable:
        return None
