"""Interquartile mean over tasks: what a system scores on the middle half of tasks and seeds (Agarwal et al. 2021)."""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the interquartile mean of each system of [n, systems] scores, with percentile intervals over rows.

    details: means, low, high, each [systems]; rows are data sets (seeds averaged first) or runs. No interval below
    three rows. Raises ValueError without `options.generator`.
    """
    scores = blocks(values)
    n = len(scores)
    if n < 3:
        return TestResult(note=f"too few rows: {n}")
    if options.generator is None:
        raise ValueError("the bootstrap of the interquartile mean draws at random and needs a generator")
    drawn = options.generator.integers(0, n, size=(options.resamples, n))
    resampled = np.stack([middle_mean(column[drawn]) for column in scores.T], axis=1)
    low, high = np.quantile(resampled, [options.alpha / 2, 1 - options.alpha / 2], axis=0)
    means = middle_mean(scores.T)
    return TestResult(details={"means": means.tolist(), "low": low.tolist(), "high": high.tolist()})


def middle_mean(scores: Floats) -> Floats:
    """Return the mean of the middle half along the last axis: a quarter (rounded down) is cut at each end."""
    cut = scores.shape[-1] // 4
    kept = np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut]
    means: Floats = kept.mean(axis=-1)
    return means


def _smallest_p(n: int, systems: int) -> float:
    return 1.0


TEST = StatisticalTest(
    name="interquartile_mean",
    title="Interquartile mean",
    systems="any",
    values="scores",
    assumes="rows that are independent and scores on one scale",
    generalises_over="rows (data sets, or seeds) like these",
    source="Agarwal, Schwarzer, Castro, Courville and Bellemare 2021",
    smallest_p=_smallest_p,
    run=run,
    answer="details",
)
