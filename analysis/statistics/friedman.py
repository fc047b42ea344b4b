"""Friedman test: do several systems' ranks differ over blocks? With Kendall's W and Nemenyi's critical difference."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the chi-square corrected for ties, df = k - 1, for [n, k] scores; rank 1 is the largest score of a row.

    details: mean_ranks [k], kendall_w (0: rows disagree, 1: all agree), statistic_uncorrected, critical_difference.
    Raises ValueError for fewer than three systems; no p for fewer than two rows or rows that are all tied.
    """
    from scipy import stats

    scores = blocks(values)
    n, k = scores.shape
    if k < 3:
        raise ValueError(f"Friedman compares three or more systems, got {k}")
    if n < 2:
        return TestResult(note=f"too few complete rows: {n}")
    ranks = np.asarray(stats.rankdata(-scores, axis=1), dtype=np.float64)
    mean_ranks = ranks.mean(axis=0)
    plain = 12 * n / (k * (k + 1)) * float(((mean_ranks - (k + 1) / 2) ** 2).sum())
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    details = {"mean_ranks": [float(rank) for rank in mean_ranks], "statistic_uncorrected": plain}
    if spread == 0:
        return TestResult(note="every row is tied: no test", details=details)
    statistic = plain * n * k * (k * k - 1) / 12 / spread
    details |= {"kendall_w": statistic / (n * (k - 1)), "critical_difference": critical_difference(k, n, options.alpha)}
    return TestResult(statistic=statistic, df=float(k - 1), p=float(stats.chi2.sf(statistic, k - 1)), details=details)


def critical_difference(k: int, n: int, alpha: float) -> float:
    """Return Nemenyi's critical difference of mean ranks of k systems over n blocks (Demsar 2006, section 3.2.2)."""
    return nemenyi_q(k, alpha) * math.sqrt(k * (k + 1) / (6 * n))


@cache
def nemenyi_q(k: int, alpha: float) -> float:
    """Return the studentized range quantile of k groups and infinite df, divided by the square root of 2."""
    from scipy import stats

    return float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)


def _smallest_p(n: int, systems: int) -> float:
    from scipy import stats

    return float(stats.chi2.sf(n * (systems - 1), systems - 1))


TEST = StatisticalTest(
    name="friedman",
    title="Friedman test",
    systems="many",
    values="scores",
    assumes="blocks that are independent; p is the chi-square approximation",
    generalises_over="new blocks (seeds, or data sets) like these",
    source="Friedman 1937; Kendall and Babington Smith 1939; Demsar 2006",
    smallest_p=_smallest_p,
    run=run,
    needs_direction=True,
)
