"""Counts runs without a score, so that a system that fails more often is not judged by its lucky runs alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from analysis.inference.descriptives import exact_interval
from analysis.tables.normalize import SCORELESS

LARGEST_IMBALANCE = 0.10


@dataclass(frozen=True)
class Failures:
    """How many of a system's runs diverged or failed."""

    scoreless: int
    runs: int


@dataclass(frozen=True)
class FailureComparison:
    """The difference of failure rates (a - b), its exact p (Fisher), and why it blocks a verdict, if it does."""

    difference: float
    p: float
    blocked: str | None


def count_statuses(runs: pd.DataFrame) -> dict[str, int | float]:
    """Count how the runs of one system ended, and the share without a score (diverged or failed)."""
    counts: dict[str, int | float] = {
        status: int((runs["status"] == status).sum()) for status in ("collapsed", "diverged", "failed")
    }
    failed = int(runs["status"].isin(SCORELESS).sum())
    return {"runs": len(runs), **counts, "failure_rate": failed / len(runs) if len(runs) else 0.0}


def describe_collapse(runs: pd.DataFrame, alpha: float) -> dict[str, float | None]:
    """Return the share of a system's scored runs that collapsed, its exact interval, and the mean score of the others.

    A mean over a few collapsed runs and others says little, and no test of means mends that: collapse is an outcome of
    its own.
    """
    scored = runs[runs["score"].notna()]
    collapsed = scored["status"] == "collapsed"
    others = scored.loc[~collapsed, "score"]
    low, high = exact_interval(int(collapsed.sum()), len(scored), alpha) if len(scored) else (None, None)
    return {
        "collapse_rate": float(collapsed.mean()) if len(scored) else None,
        "collapse_low": low,
        "collapse_high": high,
        "mean_without_collapse": float(others.mean()) if len(others) else None,
    }


def count_failures(runs: pd.DataFrame) -> dict[str, Failures]:
    """Count the runs of each system, and those without a score."""
    grouped = runs["status"].isin(SCORELESS).groupby(runs["system"]).agg(["sum", "size"])
    return {str(system): Failures(int(row["sum"]), int(row["size"])) for system, row in grouped.iterrows()}


def compare_failures(a: Failures, b: Failures, allow_unequal: bool) -> FailureComparison:
    """Compare the failure rates of two systems. More than 10 points apart blocks the verdict unless `allow_unequal`."""
    if a.scoreless + b.scoreless == 0:
        return FailureComparison(0.0, 1.0, None)
    difference = a.scoreless / a.runs - b.scoreless / b.runs
    blocked = None
    if abs(difference) > LARGEST_IMBALANCE + 1e-12 and not allow_unequal:
        rates = f"{a.scoreless} of {a.runs} and {b.scoreless} of {b.runs}"
        blocked = f"failure rates differ by more than {LARGEST_IMBALANCE:.0%} ({rates} runs have no score)"
    return FailureComparison(difference, _fisher(a, b), blocked)


@cache
def _fisher(a: Failures, b: Failures) -> float:
    from scipy import stats

    table = np.array([[a.scoreless, a.runs - a.scoreless], [b.scoreless, b.runs - b.scoreless]])
    return float(stats.fisher_exact(table)[1])
