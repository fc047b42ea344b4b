"""Nemenyi's test: which systems' mean ranks differ by more than the critical difference? (Nemenyi 1963, Demsar 2006)"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks
from analysis.statistics.friedman import critical_difference


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the largest difference of mean ranks of [n, k] scores and its p; rank 1 is the largest score of a row.

    details: mean_ranks [k], p_values [k, k] (1 on the diagonal), critical_difference at `options.alpha`.
    Raises ValueError for fewer than three systems; no p for fewer than two rows or rows that are all tied.
    """
    from scipy import stats

    scores = blocks(values)
    n, k = scores.shape
    if k < 3:
        raise ValueError(f"Nemenyi's test compares three or more systems, got {k}")
    if n < 2:
        return TestResult(note=f"too few complete rows: {n}")
    ranks = np.asarray(stats.rankdata(-scores, axis=1), dtype=np.float64)
    if np.ptp(ranks) == 0:
        return TestResult(note="every row is tied: no test")
    mean_ranks = ranks.mean(axis=0)
    apart = np.abs(mean_ranks[:, None] - mean_ranks[None, :])
    above = np.triu_indices(k, 1)
    p = np.ones((k, k))
    p[above] = p[above[::-1]] = range_sf(apart[above] / math.sqrt(k * (k + 1) / (12 * n)), k)
    return TestResult(
        statistic=float(apart.max()),
        p=float(p.min()),
        details={
            "mean_ranks": mean_ranks.tolist(),
            "p_values": p.tolist(),
            "critical_difference": critical_difference(k, n, options.alpha),
        },
    )


def range_sf(q: NDArray[np.float64], k: int) -> Floats:
    """Return the chance that k standard normal values span more than q: the studentized range with infinite df."""
    from scipy import special

    grid, step = np.linspace(-9.0, 9.0, 1201, retstep=True)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    within = special.ndtr(grid) - special.ndtr(grid - np.asarray(q)[..., None])
    inside = k * step * (density * within ** (k - 1)).sum(axis=-1)
    chances: Floats = np.clip(1.0 - inside, 0.0, 1.0)
    return chances


def _smallest_p(n: int, systems: int) -> float:
    reach = np.array((systems - 1) / math.sqrt(systems * (systems + 1) / (12 * n)))
    return float(range_sf(reach, systems))


TEST = StatisticalTest(
    name="nemenyi",
    title="Nemenyi's test",
    systems="many",
    values="scores",
    assumes="blocks that are independent; the family-wise error over all pairs is controlled together",
    generalises_over="new blocks (seeds, or data sets) like these",
    source="Nemenyi 1963; Demsar 2006",
    smallest_p=_smallest_p,
    run=run,
    needs_direction=True,
)
