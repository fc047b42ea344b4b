"""Almost stochastic order: how far is one system from scoring above the other at every quantile?

A violation ratio of 0 is full dominance, 0.5 none (del Barrio et al. 2018; Dror et al. 2019, "Deep Dominance").
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the violation ratios of [n, 2] scores, larger being better; the rows need not be pairs.

    details: ratio_first (how far the first violates dominance over the second); minimum_first and minimum_second, the
    upper bounds of the two ratios at level 1 - alpha. A system whose bound is below 0.5 (Dror et al.; they advise a
    stricter 0.2) is almost stochastically larger. Raises ValueError without `options.generator`.
    """
    scores = blocks(values, systems=2)
    n = len(scores)
    if n < 2 or np.array_equal(np.sort(scores[:, 0]), np.sort(scores[:, 1])):
        return TestResult(note=f"too few rows: {n}" if n < 2 else "the two have the same scores: no order")
    if options.generator is None:
        raise ValueError("almost stochastic order draws at random and needs a generator")
    ratio = float(violation(scores.T[:, None])[0])
    drawn = options.generator.integers(0, n, size=(options.resamples, 2, n))
    resampled = np.stack([scores[drawn[:, side], side] for side in (0, 1)])
    spread = float(np.std(math.sqrt(n / 2) * (violation(resampled) - ratio)))
    margin = -math.sqrt(2 / n) * spread * NormalDist().inv_cdf(options.alpha)
    return TestResult(
        statistic=ratio,
        details={
            "ratio_first": ratio,
            "minimum_first": min(1.0, ratio + margin),
            "minimum_second": min(1.0, 1 - ratio + margin),
        },
    )


def violation(scores: Floats) -> Floats:
    """Return the share of the squared quantile distance where the first is below the second: [2, B, n] gives [B]."""
    apart = np.sort(scores[0], axis=-1) - np.sort(scores[1], axis=-1)
    below, whole = (np.minimum(apart, 0.0) ** 2).sum(axis=-1), (apart**2).sum(axis=-1)
    ratios: Floats = np.divide(below, whole, out=np.full(np.shape(whole), 0.5), where=whole > 0)
    return ratios


def _smallest_p(n: int, systems: int) -> float:
    return 1.0


TEST = StatisticalTest(
    name="almost_stochastic_order",
    title="Almost stochastic order",
    systems="two",
    values="scores",
    assumes="runs that are independent within each system; the bound is asymptotic",
    generalises_over="new seeds on the same split",
    source="del Barrio, Cuesta-Albertos and Matran 2018; Dror, Shlomov and Reichart 2019",
    smallest_p=_smallest_p,
    run=run,
    answer="details",
    paired=False,
    needs_direction=True,
)
