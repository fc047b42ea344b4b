"""Wilcoxon signed-rank test: do the ranks of the differences lean to one side? Exact with ties (Wilcoxon 1945)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, degenerate, differences

EXACT_UP_TO = 200
Ranks = np.ndarray[tuple[int], np.dtype[np.int64]]


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the smaller rank sum W of [n, 2] scores and its two-sided p. Zeros are dropped, ties share ranks.

    Up to 200 differences p is exact, given the ties: all sign patterns are counted by dynamic programming over the
    doubled ranks, which are whole numbers. Above, it is the normal approximation with the variance of the tied ranks.
    """
    difference = differences(values)
    note = degenerate(difference)
    if note is not None:
        return TestResult(note=note)
    nonzero = difference[difference != 0]
    doubled = _doubled_ranks(np.abs(nonzero))
    positive = int(doubled[nonzero > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    p = _exact(doubled, smaller) if len(nonzero) <= EXACT_UP_TO else _approximate(doubled, smaller)
    return TestResult(statistic=smaller / 2, p=p, details={"zeros": len(difference) - len(nonzero)})


def _doubled_ranks(size: Floats) -> Ranks:
    _, group, counts = np.unique(size, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (2 * last - counts + 1)[group]


def _exact(doubled: Ranks, smaller: int) -> float:
    n = len(doubled)
    untied = len(np.unique(doubled)) == n
    at_most = _untied(n)[smaller] if untied else _chances(doubled, smaller).sum()
    return min(1.0, 2 * float(at_most))


@lru_cache(maxsize=64)
def _untied(n: int) -> Floats:
    """Return the cumulative distribution of the doubled rank sum without ties: the same for all pairs of one size."""
    cumulative: Floats = np.cumsum(_chances(2 * np.arange(1, n + 1), n * (n + 1)))
    return cumulative


def _chances(doubled: Ranks, highest: int) -> Floats:
    """Return the chance of every doubled rank sum from 0 to `highest`."""
    chance = np.zeros(highest + 1)
    chance[0] = 1.0
    for rank in doubled.tolist():
        if rank <= highest:
            chance[rank:] += chance[:-rank].copy()
        chance /= 2
    return chance


def _approximate(doubled: Ranks, smaller: int) -> float:
    middle, deviation = float(doubled.sum()) / 2, math.sqrt(float((doubled**2).sum())) / 2
    return math.erfc((middle - smaller) / deviation / math.sqrt(2))


def _smallest_p(n: int, systems: int) -> float:
    return min(1.0, 2 * math.ldexp(1.0, -n)) if n <= EXACT_UP_TO else 0.0


TEST = StatisticalTest(
    name="wilcoxon",
    title="Wilcoxon signed-rank test",
    systems="two",
    values="scores",
    assumes="differences that are independent and symmetric about their median",
    generalises_over="new seeds on the same split",
    source="Wilcoxon 1945; zeros dropped, midranks, exact conditional on ties",
    smallest_p=_smallest_p,
    run=run,
)
