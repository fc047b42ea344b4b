"""McNemar's test: do two checkpoints split evenly the items that only one of them gets right?"""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return chi-square (b - c)^2 / (b + c) of [items, 2] hits (1) and misses (0), with the exact binomial p.

    details: chi_square_p, corrected (Edwards 1948: |b - c| - 1), corrected_p. Raises ValueError for other values.
    """
    from scipy import stats

    hits = blocks(values, systems=2)
    if not np.isin(hits, (0.0, 1.0)).all():
        raise ValueError("McNemar's test needs hits (1) and misses (0)")
    first = int(np.count_nonzero(hits[:, 0] > hits[:, 1]))
    second = int(np.count_nonzero(hits[:, 0] < hits[:, 1]))
    discordant = first + second
    if discordant == 0:
        return TestResult(note="the two are right on the same items: no test")
    plain = (first - second) ** 2 / discordant
    corrected = max(abs(first - second) - 1, 0) ** 2 / discordant
    return TestResult(
        statistic=plain,
        df=1.0,
        p=min(1.0, 2 * float(stats.binom.cdf(min(first, second), discordant, 0.5))),
        details={
            "chi_square_p": float(stats.chi2.sf(plain, 1)),
            "corrected": corrected,
            "corrected_p": float(stats.chi2.sf(corrected, 1)),
        },
    )


def _smallest_p(n: int, systems: int) -> float:
    return min(1.0, 2 * math.ldexp(1.0, -n))


TEST = StatisticalTest(
    name="mcnemar",
    title="McNemar's test",
    systems="two",
    values="hits",
    assumes="items that are independent of each other",
    generalises_over="these two checkpoints on new items",
    source="McNemar 1947; exact p by the binomial distribution",
    smallest_p=_smallest_p,
    run=run,
)
