"""Cochran's Q: do several checkpoints differ in the share of the same items that they get right? (Cochran 1950)"""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return Q, df = k - 1 and the chi-square p of [items, k] hits (1) and misses (0).

    Raises ValueError for other values or fewer than three systems; no p where all are right on the same items.
    """
    from scipy import stats

    hits = blocks(values)
    k = hits.shape[1]
    if k < 3:
        raise ValueError(f"Cochran's Q compares three or more systems, got {k}")
    if not np.isin(hits, (0.0, 1.0)).all():
        raise ValueError("Cochran's Q needs hits (1) and misses (0)")
    by_system, by_item = hits.sum(axis=0), hits.sum(axis=1)
    spread = float((by_item * (k - by_item)).sum())
    if spread == 0:
        return TestResult(note="all are right on the same items: no test")
    statistic = k * (k - 1) * float(((by_system - by_system.mean()) ** 2).sum()) / spread
    discordant = int(np.count_nonzero((by_item > 0) & (by_item < k)))
    return TestResult(
        statistic, float(k - 1), float(stats.chi2.sf(statistic, k - 1)), details={"discordant_items": discordant}
    )


def _smallest_p(n: int, systems: int) -> float:
    from scipy import stats

    return float(stats.chi2.sf(n * (systems - 1), systems - 1))


TEST = StatisticalTest(
    name="cochran_q",
    title="Cochran's Q",
    systems="many",
    values="hits",
    assumes="items that are independent of each other, and enough discordant ones for the chi-square approximation",
    generalises_over="these checkpoints on new items",
    source="Cochran 1950",
    smallest_p=_smallest_p,
    run=run,
)
