"""Paired t-test: does the mean difference between two systems, run by run, differ from zero? (Student 1908)"""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, degenerate, differences


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return t, df = n - 1, two-sided p and the t interval of the mean difference of [n, 2] scores.

    Without variance between the differences there is no p, and the interval is the difference itself.
    """
    difference = differences(values)
    note = degenerate(difference)
    if note is not None:
        only = float(difference[0]) if len(difference) > 1 else None
        return TestResult(ci_low=only, ci_high=only, note=note)
    error = float(np.std(difference, ddof=1)) / math.sqrt(len(difference))
    return t_result(float(np.mean(difference)), error, len(difference) - 1, options.alpha)


def t_result(mean: float, error: float, df: float, alpha: float) -> TestResult:
    """Return the two-sided t-test of a mean with this standard error (above zero), and its interval."""
    from scipy import special

    statistic = mean / error
    margin = -float(special.stdtrit(df, alpha / 2)) * error
    p = float(2 * special.stdtr(df, -abs(statistic)))
    details = {"mean": mean, "error": error}
    return TestResult(statistic, float(df), p, ci_low=mean - margin, ci_high=mean + margin, details=details)


def equivalence_p(mean: float, error: float, df: float, rope: float) -> float:
    """Return p of the two one-sided t-tests for a mean difference within (-rope, rope) (TOST; Schuirmann 1987)."""
    from scipy import special

    return float(max(special.stdtr(df, -(mean + rope) / error), special.stdtr(df, (mean - rope) / error)))


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= 2 else 1.0


TEST = StatisticalTest(
    name="paired_t",
    title="Paired t-test",
    systems="two",
    values="scores",
    assumes="differences that are independent and about normal",
    generalises_over="new seeds on the same split",
    source="Student 1908",
    smallest_p=_smallest_p,
    run=run,
)
