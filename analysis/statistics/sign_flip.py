"""Sign-flip (paired randomisation) test: how rarely do random signs give a mean difference this large? (Fisher 1935)"""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import (
    Floats,
    StatisticalTest,
    TestOptions,
    TestResult,
    blocks,
    degenerate,
    differences,
)

EXACT_UP_TO = 16
RESAMPLES = 99_999
_CELLS = 4_000_000  # sums held at a time


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the two-sided p of the mean difference of [n, 2] scores: all 2^n flips up to n = 16, else Monte Carlo.

    A difference that is the same in every pair has a p as well, if the scores vary. Monte Carlo gives
    (1 + b) / (1 + B) (Phipson and Smyth 2010) and needs `options.generator`, else ValueError.
    """
    difference = differences(values)
    note = degenerate(difference)
    if note is not None and not _is_shift(values, difference):
        return TestResult(note=note)
    if len(difference) <= EXACT_UP_TO:
        p, resamples = _exact(difference), 2 ** len(difference)
    elif options.generator is None:
        raise ValueError(f"sign-flip over more than {EXACT_UP_TO} pairs draws at random and needs a generator")
    else:
        p, resamples = float(monte_carlo(difference[:, None], options.generator)[0]), RESAMPLES
    return TestResult(statistic=float(np.mean(difference)), p=p, details={"resamples": resamples})


def _is_shift(values: Floats, difference: Floats) -> bool:
    """Return whether scores that vary differ by the same amount in every pair: flipped signs still test that amount.

    Where neither system varies, the pairs are one observation, repeated.
    """
    varies = len(difference) > 1 and bool((np.ptp(blocks(values), axis=0) > 0).all())
    return varies and difference[0] != 0


def _exact(difference: Floats) -> float:
    sums = np.zeros(1)
    for value in difference:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= _reach(difference[:, None], 1e-9)[0]))


def monte_carlo(difference: Floats, generator: np.random.Generator) -> Floats:
    """Return the two-sided p [pairs] of the mean differences [n, pairs], all pairs under the same random signs."""
    n, pairs = difference.shape
    scale = np.abs(difference).max(axis=0)
    scaled = (difference / np.where(scale > 0, scale, 1.0)).astype(np.float32)
    reach = _reach(scaled.astype(np.float64), 1e-6).astype(np.float32)
    extreme = np.zeros(pairs, dtype=np.int64)
    rows = max(1, _CELLS // max(n, pairs))
    for start in range(0, RESAMPLES, rows):
        size = min(rows, RESAMPLES - start)
        signs = generator.integers(0, 2, size=(size, n), dtype=np.int8).astype(np.float32) * 2 - 1
        extreme += np.count_nonzero(np.abs(signs @ scaled) >= reach, axis=0)
    p: Floats = (1.0 + extreme) / (1 + RESAMPLES)
    return p


def _reach(difference: Floats, rounding: float) -> Floats:
    """Return the size [pairs] at which a flipped sum counts as extreme: ties with the observed sum count."""
    reach: Floats = np.abs(difference.sum(axis=0)) - rounding * np.abs(difference).sum(axis=0)
    return reach


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
