"""Expected validation performance: the best score to expect from k trials of a search (Dodge et al. 2019)."""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the curves of [n, systems] scores, larger being better, one row per trial.

    details: trials (1 .. n) and expected [systems, n], the expected maximum of each number of draws from the n scores.
    """
    scores = blocks(values)
    if len(scores) == 0:
        return TestResult(note="no trials")
    curves = [expected_maximum(column).tolist() for column in scores.T]
    return TestResult(details={"trials": list(range(1, len(scores) + 1)), "expected": curves})


def expected_maximum(scores: Floats) -> Floats:
    """Return E[max of k draws with replacement] of n scores, k = 1 .. n: sum of s_(i) ((i/n)^k - ((i-1)/n)^k)."""
    n = len(scores)
    levels = (np.arange(n + 1) / n)[None, :] ** np.arange(1, n + 1)[:, None]
    expected: Floats = np.diff(levels, axis=1) @ np.sort(scores)
    return expected


def _smallest_p(n: int, systems: int) -> float:
    return 1.0


TEST = StatisticalTest(
    name="expected_validation_performance",
    title="Expected validation performance",
    systems="any",
    values="scores",
    assumes="trials that are independent draws from the same search space; biased low near the number of trials",
    generalises_over="new trials of the same search",
    source="Dodge, Gururangan, Card, Schwartz and Smith 2019",
    smallest_p=_smallest_p,
    run=run,
    answer="details",
    paired=False,
)
