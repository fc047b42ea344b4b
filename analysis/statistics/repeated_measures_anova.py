"""Repeated-measures ANOVA: do several systems' means differ over the same blocks? (Greenhouse and Geisser 1959)"""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return F and the Greenhouse-Geisser p of [n, k] scores; df is the corrected numerator's.

    details: df_numerator, df_denominator (both before the correction), p_uncorrected, epsilon (from 1 / (k - 1) to 1:
    spherical), partial_eta_squared. Raises ValueError for fewer than three systems; no p below two rows or where the
    systems differ by the same amounts in every row.
    """
    from scipy import stats

    scores = blocks(values)
    n, k = scores.shape
    if k < 3:
        raise ValueError(f"repeated-measures ANOVA compares three or more systems, got {k}")
    if n < 2:
        return TestResult(note=f"too few complete rows: {n}")
    systems = scores.mean(axis=0) - scores.mean()
    rest = scores - scores.mean(axis=1, keepdims=True) - systems
    of_systems, of_rest = n * float((systems**2).sum()), float((rest**2).sum())
    if of_rest <= 1e-12 * float(((scores - scores.mean()) ** 2).sum()) + 1e-24:
        return TestResult(note="the systems differ by the same amounts in every row: no test")
    numerator, denominator = k - 1, (n - 1) * (k - 1)
    statistic = (of_systems / numerator) / (of_rest / denominator)
    epsilon = greenhouse_geisser(scores)
    return TestResult(
        statistic=statistic,
        df=epsilon * numerator,
        p=float(stats.f.sf(statistic, epsilon * numerator, epsilon * denominator)),
        details={
            "df_numerator": numerator,
            "df_denominator": denominator,
            "p_uncorrected": float(stats.f.sf(statistic, numerator, denominator)),
            "epsilon": epsilon,
            "partial_eta_squared": of_systems / (of_systems + of_rest),
        },
    )


def greenhouse_geisser(scores: Floats) -> float:
    """Return Box's epsilon of [n, k] scores: trace^2 / ((k - 1) trace of square) of the double-centred covariance."""
    k = scores.shape[1]
    covariance = np.cov(scores, rowvar=False)
    centre = np.eye(k) - 1 / k
    centred = centre @ covariance @ centre
    epsilon = np.trace(centred) ** 2 / ((k - 1) * (centred**2).sum())
    return float(np.clip(epsilon, 1 / (k - 1), 1.0))


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= 2 else 1.0


TEST = StatisticalTest(
    name="repeated_measures_anova",
    title="Repeated-measures ANOVA (Greenhouse-Geisser)",
    systems="many",
    values="scores",
    assumes="blocks that are independent and about normal; unequal variances of differences are corrected for",
    generalises_over="new seeds on the same split",
    source="Greenhouse and Geisser 1959; Box 1954",
    smallest_p=_smallest_p,
    run=run,
)
