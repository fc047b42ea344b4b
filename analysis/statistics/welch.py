"""Welch's t-test: compares means as if the runs were not paired, which shows what pairing is worth (Welch 1947)."""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks
from analysis.statistics.paired_t import t_result


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return t, Welch-Satterthwaite df, p and interval of the difference of the means of [n, 2] scores.

    Positively correlated pairs make it conservative. No p below two rows or where neither system varies.
    """
    scores = blocks(values, systems=2)
    n = len(scores)
    if n < 2:
        return TestResult(note=f"too few rows: {n}")
    mean = float(scores[:, 0].mean() - scores[:, 1].mean())
    variances = scores.var(axis=0, ddof=1) / n
    total = float(variances.sum())
    if total == 0 or (np.ptp(scores, axis=0) == 0).all():
        return TestResult(ci_low=mean, ci_high=mean, note=f"deterministic: difference = {mean:.6g}, no test")
    df = total**2 / float((variances**2).sum() / (n - 1))
    return t_result(mean, math.sqrt(total), df, options.alpha)


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= 2 else 1.0


TEST = StatisticalTest(
    name="welch",
    title="Welch's t-test",
    systems="two",
    values="scores",
    assumes="runs that are independent between the systems too, and about normal",
    generalises_over="new seeds on the same split",
    source="Welch 1947",
    smallest_p=_smallest_p,
    run=run,
    paired=False,
)
