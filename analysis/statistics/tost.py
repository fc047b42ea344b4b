"""Two one-sided t-tests: is the mean difference within the region of practical equivalence? (Schuirmann 1987)"""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, degenerate, differences
from analysis.statistics.paired_t import equivalence_p


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return p for a mean difference of [n, 2] scores outside (-rope, rope): a small p means equivalent.

    The interval has level 1 - 2 alpha: the two are equivalent at alpha if it lies within the region. No p without
    `options.rope`, or where the differences do not vary.
    """
    from scipy import stats

    difference = differences(values)
    note = degenerate(difference)
    if note is not None:
        return TestResult(note=note)
    if options.rope is None:
        return TestResult(note="needs a region of practical equivalence (compare.rope)")
    n, mean = len(difference), float(difference.mean())
    error = float(difference.std(ddof=1)) / math.sqrt(n)
    margin = float(stats.t.isf(options.alpha, n - 1)) * error
    return TestResult(
        statistic=(options.rope - abs(mean)) / error,
        df=float(n - 1),
        p=equivalence_p(mean, error, n - 1, options.rope),
        ci_low=mean - margin,
        ci_high=mean + margin,
        details={"rope": options.rope, "equivalent": bool(np.abs([mean - margin, mean + margin]).max() < options.rope)},
    )


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= 2 else 1.0


TEST = StatisticalTest(
    name="tost",
    title="Equivalence test (TOST)",
    systems="two",
    values="scores",
    assumes="differences that are independent and about normal; a region fixed before the scores were seen",
    generalises_over="new seeds on the same split",
    source="Schuirmann 1987",
    smallest_p=_smallest_p,
    run=run,
)
