"""One pair of systems: every number that is reported about their difference, before the family is corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis import effect_size, power, summary
from analysis.config import CompareConfig
from analysis.design import Design
from analysis.failures import compare_failures
from analysis.pairing import Blocks, Floats, average_over_seeds, blocks
from analysis.statistical_test import Setting, TestResult, differences
from analysis.statistics import corrected_resampled_t, paired_t, sign_flip, wilcoxon
from analysis.verdict import FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT

NO_TEST = TestResult()


@dataclass(frozen=True, eq=False)
class PairResult:
    """The reported numbers of one pair (`row`) and what its verdict rests on.

    `n` are the independent units of the primary test; `smallest_p` the smallest p it could have given; `note` says
    why it gave none; `blocked` why a verdict would mislead.
    """

    row: dict[str, Any]
    n: int
    smallest_p: float
    note: str | None
    blocked: str | None
    dropped: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class _Tests:
    paired: TestResult
    flip: TestResult
    signed_rank: TestResult
    primary: TestResult
    n: int
    smallest_p: float


def compare(
    runs: pd.DataFrame, a: str, b: str, design: Design, config: CompareConfig, comparisons: int, seed: tuple[int, ...]
) -> PairResult:
    """Compare a with b over their complete pairs; `seed` seeds the Monte Carlo sign-flips of this pair."""
    found = blocks(runs, [a, b])
    setting = Setting(config.alpha, np.random.default_rng(seed), design.evaluation_to_train)
    tests = _run_tests(found, design, setting)
    failures = compare_failures(runs[runs["system"] == a], runs[runs["system"] == b], config.allow_unequal_failures)
    row = {
        "a": a,
        "b": b,
        "n_pairs": len(found.keys),
        "dropped_pairs": len(found.dropped),
        **_description(found.scores, config),
        **_test_columns(tests),
        **_sensitivity(found.scores, tests, config, comparisons),
        "failure_difference": failures.difference,
        "failure_p": failures.p,
        "primary_method": design.method,
    }
    return PairResult(row, tests.n, tests.smallest_p, tests.primary.note, failures.blocked, found.dropped)


def _run_tests(found: Blocks, design: Design, setting: Setting) -> _Tests:
    scores = found.scores
    if len(scores) < FEWEST_FOR_INTERVALS:
        return _Tests(NO_TEST, NO_TEST, NO_TEST, NO_TEST, len(scores), 1.0)
    paired, signed_rank = paired_t.run(scores, setting), wilcoxon.run(scores, setting)
    flips = not design.splits_vary or design.method == "sign_flip"
    flip = sign_flip.run(scores, setting) if flips else NO_TEST
    if design.method == "corrected_resampled_t":
        primary, n, smallest = _resampled(found, setting)
    else:
        primary = {"paired_t": paired, "sign_flip": _with_interval(flip, paired)}.get(
            design.method, _both(paired, flip)
        )
        n = len(scores)
        smallest = 0.0 if design.method == "paired_t" else sign_flip.TEST.smallest_p(n, 2)
    return _Tests(paired, flip, signed_rank, primary, n, smallest)


def _resampled(found: Blocks, setting: Setting) -> tuple[TestResult, int, float]:
    units = average_over_seeds(found).scores
    if setting.evaluation_to_train is None:
        note = "the corrected resampled t needs the columns train_items and evaluation_items"
        return TestResult(note=note), len(units), 0.0
    if len(units) < FEWEST_FOR_INTERVALS:
        return NO_TEST, len(units), 1.0
    return corrected_resampled_t.run(units, setting), len(units), 0.0


def _with_interval(flip: TestResult, paired: TestResult) -> TestResult:
    return TestResult(p=flip.p, ci_low=paired.ci_low, ci_high=paired.ci_high, note=flip.note, details=paired.details)


def _both(paired: TestResult, flip: TestResult) -> TestResult:
    """Reject only where both tests do: the larger p (intersection-union)."""
    if paired.p is None or flip.p is None:
        return paired
    return TestResult(p=max(paired.p, flip.p), ci_low=paired.ci_low, ci_high=paired.ci_high, details=paired.details)


def _description(scores: Floats, config: CompareConfig) -> dict[str, Any]:
    first, second = scores[:, 0], scores[:, 1]
    difference = differences(scores)
    gain = 1.0 if config.direction == "maximize" else -1.0  # superior means better, not larger
    superiority = effect_size.probability_of_superiority(gain * difference, config.alpha) or (None, None, None)
    return {
        **{f"mean_{side}": _mean(values) for side, values in (("a", first), ("b", second), ("diff", difference))},
        **{f"std_{side}": _std(values) for side, values in (("a", first), ("b", second), ("diff", difference))},
        "dz": effect_size.paired_dz(difference),
        "hedges_gz": effect_size.hedges_gz(difference),
        "prob_superiority": superiority[0],
        "prob_superiority_low": superiority[1],
        "prob_superiority_high": superiority[2],
        "a12": effect_size.a12(gain * first, gain * second),
        "correlation": effect_size.pair_correlation(first, second),
        "shapiro_p": _shapiro(difference),
    }


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _std(values: Floats) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _shapiro(difference: Floats) -> float | None:
    """A diagnostic of the differences, never a switch between tests."""
    from scipy import stats

    if len(difference) < FEWEST_FOR_INTERVALS or summary.is_constant(difference):
        return None
    return float(stats.shapiro(difference).pvalue)


def _test_columns(tests: _Tests) -> dict[str, Any]:
    decidable = tests.n >= FEWEST_FOR_VERDICT
    return {
        "t": tests.paired.statistic,
        "df": tests.paired.df,
        "p": tests.paired.p,
        "ci_low": tests.paired.ci_low,
        "ci_high": tests.paired.ci_high,
        "p_sign_flip": tests.flip.p,
        "wilcoxon_statistic": tests.signed_rank.statistic,
        "wilcoxon_p": tests.signed_rank.p,
        "smallest_p": tests.smallest_p,
        "primary_p": tests.primary.p if decidable else None,
        "primary_ci_low": tests.primary.ci_low,
        "primary_ci_high": tests.primary.ci_high,
    }


def _sensitivity(scores: Floats, tests: _Tests, config: CompareConfig, comparisons: int) -> dict[str, Any]:
    """Equivalence, and the smallest effect seen with 80% power at the first Holm step (alpha / comparisons)."""
    error = tests.primary.details.get("error")
    if error is None or tests.n < FEWEST_FOR_INTERVALS:
        return {"tost_p": None, "detectable_dz": None, "detectable_difference": None}
    dz = power.minimum_detectable_effect(tests.n, config.alpha, comparisons)
    detectable = None if dz is None else dz * error * float(np.sqrt(tests.n))
    deviation = float(differences(scores).std(ddof=1))
    tost = None
    if config.rope is not None and tests.n >= FEWEST_FOR_VERDICT:
        tost = paired_t.equivalence_p(tests.primary.details["mean"], error, tests.n - 1, config.rope)
    return {
        "tost_p": tost,
        "detectable_dz": None if detectable is None or deviation == 0 else detectable / deviation,
        "detectable_difference": detectable,
    }
