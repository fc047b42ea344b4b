"""Welch's t-test: compares means as if the runs were not paired, which shows what pairing is worth (Welch 1947)."""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import DECIMALS, Floats, StatisticalTest, TestOptions, TestResult, blocks
from analysis.statistics.paired_t import t_result


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return t, Welch-Satterthwaite df, p and interval of the difference of the means of [n, 2] scores.

    Positively correlated pairs make it conservative. No p below two rows or where neither system varies.
    """
    scores = blocks(values, systems=2)
    return unpaired(scores[:, 0], scores[:, 1], options.alpha)


def unpaired(first: Floats, second: Floats, alpha: float) -> TestResult:
    """Return t, Welch-Satterthwaite df, p and interval of the difference of the means of [n] and [m] scores.

    No p with fewer than two scores of either, or where neither varies.
    """
    sides = [np.round(np.asarray(side, dtype=np.float64), DECIMALS) for side in (first, second)]
    sizes = [len(side) for side in sides]
    if min(sizes) < 2:
        return TestResult(note=f"too few rows: {min(sizes)}")
    mean = float(sides[0].mean() - sides[1].mean())
    variances = [float(side.var(ddof=1)) / len(side) for side in sides]
    total = sum(variances)
    if total == 0 or all(np.ptp(side) == 0 for side in sides):
        return TestResult(ci_low=mean, ci_high=mean, note=f"deterministic: difference = {mean:.6g}, no test")
    df = total**2 / sum(part**2 / (size - 1) for part, size in zip(variances, sizes, strict=True))
    return t_result(mean, math.sqrt(total), df, alpha)


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
