"""Sign-flip (paired randomisation) test: how rarely do random signs give a mean difference this large? (Fisher 1935)"""

from __future__ import annotations

import math

import numpy as np

from analysis.statistical_test import Floats, Setting, StatisticalTest, TestResult, degenerate, differences

EXACT_UP_TO = 16
RESAMPLES = 99_999
_CHUNK = 10_000


def run(values: Floats, setting: Setting) -> TestResult:
    """Two-sided p of the mean difference of [n, 2] scores: all 2^n flips up to n = 16, else Monte Carlo.

    Monte Carlo gives (1 + b) / (1 + B) (Phipson and Smyth 2010) and needs `setting.generator`, else ValueError.
    """
    difference = differences(values)
    note = degenerate(difference)
    if note is not None:
        return TestResult(note=note)
    observed = abs(float(difference.sum()))
    reach = observed - 1e-9 * float(np.abs(difference).sum())  # flips that tie with the observed sum count
    if len(difference) <= EXACT_UP_TO:
        p, resamples = _exact(difference, reach), 2 ** len(difference)
    else:
        p, resamples = _monte_carlo(difference, reach, setting.generator), RESAMPLES
    return TestResult(statistic=float(np.mean(difference)), p=p, details={"resamples": resamples})


def _exact(difference: Floats, reach: float) -> float:
    sums = np.zeros(1)
    for value in difference:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= reach))


def _monte_carlo(difference: Floats, reach: float, generator: np.random.Generator | None) -> float:
    if generator is None:
        raise ValueError(f"sign-flip over more than {EXACT_UP_TO} pairs draws at random and needs a generator")
    extreme, drawn = 0, 0
    while drawn < RESAMPLES:
        size = min(_CHUNK, RESAMPLES - drawn)
        signs = generator.integers(0, 2, size=(size, len(difference)), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ difference) >= reach))
        drawn += size
    return (1 + extreme) / (1 + RESAMPLES)


def _smallest_p(n: int, systems: int) -> float:
    return min(1.0, 2 * math.ldexp(1.0, -n)) if n <= EXACT_UP_TO else 1 / (1 + RESAMPLES)


TEST = StatisticalTest(
    name="sign_flip",
    title="Exact sign-flip test",
    systems="two",
    values="scores",
    assumes="under the null, each difference is as likely to be positive as negative (symmetric about zero)",
    generalises_over="new seeds on the same split",
    source="Fisher 1935; Monte Carlo p by Phipson and Smyth 2010",
    smallest_p=_smallest_p,
    run=run,
)
