"""The answer as flat tables: what the CSV and Parquet files of an analysis hold."""

from __future__ import annotations

import pandas as pd

from analysis.plotting import item_disagreements
from analysis.plotting.figure import NotApplicable
from analysis.result import Analysis


def more_tables(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Tables that only some analyses have: a search, optional tests, failures at the baseline, systems by data set."""
    tables = {
        "search": search_table(analysis),
        "optional_tests": analysis.optional,
        "failure_sensitivity": analysis.sensitivity,
        "tasks": analysis.tasks,
    }
    return {name: frame for name, frame in tables.items() if not frame.empty}


def search_table(analysis: Analysis) -> pd.DataFrame:
    """One row a searched system: what `search.csv` holds; empty without a search."""
    found = analysis.search
    return pd.DataFrame() if found is None else found.systems.assign(metric=found.metric)


def summary_table(analysis: Analysis) -> pd.DataFrame:
    """One row a system: what `summary_statistics.csv` holds."""
    return analysis.systems.assign(metric=analysis.metric)


def test_table(analysis: Analysis) -> pd.DataFrame:
    """One row a pair: what `statistical_tests.csv` holds, with the claim that its verdicts make."""
    return analysis.comparisons.assign(metric=analysis.metric, alpha=analysis.alpha, claim=analysis.claim)


def answer_table(analysis: Analysis) -> pd.DataFrame | None:
    """Answers on which the two best systems disagree in most seeds: what `item_disagreements.csv` holds, or None."""
    try:
        return item_disagreements.disagreements(analysis)
    except NotApplicable:
        return None
