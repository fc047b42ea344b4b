"""Compares one pair of systems: every reported number about their difference, before the family is corrected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analysis.comparison.design import Design, Method, detectable_errors, smallest_p_of
from analysis.comparison.failures import Failures, compare_failures
from analysis.comparison.item_counts import ItemCounts
from analysis.comparison.seed_pairing import SeedPairing
from analysis.comparison.selection import unequal_looks
from analysis.comparison.verdict import FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT
from analysis.config import CompareConfig
from analysis.inference import descriptives
from analysis.inference.interface import TestOptions, TestResult, degenerate, differences
from analysis.inference.jackknife import effective_number
from analysis.inference.moderation import NOTHING, Prior
from analysis.inference.pairing import Blocks, Floats, Key, average_over_seeds
from analysis.inference.welch_aspin import critical_value, equivalent_df
from analysis.statistics import corrected_resampled_t, multi_bootstrap, paired_t, sign_flip, welch, wilcoxon

NO_TEST = TestResult()
SMALLEST_VARIANCE = 1e-18  # anything smaller is rounding


@dataclass(frozen=True, eq=False)
class PairResult:
    """The reported numbers of one pair (`row`) and what its verdict rests on.

    `n` counts the independent units of the primary test (`unit`: seeds, splits, data sets, runs or items);
    `smallest_p` is the smallest p it could give (0: no such bound); `note` says why it gave none; `blocked` why a
    verdict would mislead.
    """

    row: dict[str, Any]
    n: int
    smallest_p: float
    note: str | None
    blocked: str | None
    dropped: tuple[Key, ...]
    unit: str


@dataclass(frozen=True, eq=False)
class Family:
    """What all pairs share.

    `resampled` [B, runs] are the scores of the runs in `items` on resampled items, `moved` [units, runs] the influence
    of each unit on them (`inference/jackknife.py`). `prior` is what all systems say about a variance over seeds, and
    `paired_priors` what those of one group (`SeedPairing.group`) say about that of a difference.
    """

    design: Design
    config: CompareConfig
    comparisons: int
    failures: Mapping[str, Failures]
    seeds: SeedPairing
    items: ItemCounts | None = None
    resampled: Floats | None = None
    moved: Floats | None = None
    prior: Prior = NOTHING
    paired_priors: Mapping[str | None, Prior] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tests:
    paired: TestResult
    flip: TestResult
    signed_rank: TestResult
    primary: TestResult
    n: int
    other: TestResult = NO_TEST
    seeds: str | None = None


def compare(
    family: Family, a: str, b: str, blocks: Blocks, generator: np.random.Generator, flip_p: float | None = None
) -> PairResult:
    """Compare a with b over their complete pairs; `generator` serves the random draws of this pair's tests.

    `flip_p` is the Monte Carlo p of the sign-flip test where it was computed for many pairs at once.
    """
    config, design = family.config, family.design
    options = TestOptions(config.alpha, generator, design.evaluation_to_train, config.rope, config.resamples)
    tests = _run_tests(blocks, family, options, flip_p, (a, b))
    numbers = {
        "n_pairs": len(blocks.keys),
        "dropped_pairs": len(blocks.dropped),
        **_description(blocks.scores, config),
        **_sensitivity(blocks.scores, tests, config, family.comparisons),
    }
    return _result(family, (a, b), tests, numbers, design.method, design.unit, blocks.dropped)


def compare_without_pairs(family: Family, a: str, b: str, first: Floats, second: Floats) -> PairResult:
    """Compare the scores [n] of a with the scores [m] of b, which share no seed, as independent runs (Welch's t)."""
    n = min(len(first), len(second))
    test = welch.unpaired(first, second, family.config.alpha) if n >= FEWEST_FOR_INTERVALS else NO_TEST
    tests = _Tests(NO_TEST, NO_TEST, NO_TEST, test, n)
    gain = 1.0 if family.config.direction == "maximize" else -1.0
    numbers: dict[str, Any] = {
        **_description(np.empty((0, 2)), family.config),
        **{f"mean_{side}": _mean(values) for side, values in (("a", first), ("b", second))},
        **{f"std_{side}": _std(values) for side, values in (("a", first), ("b", second))},
        "mean_diff": float(first.mean() - second.mean()) if n else None,
        "a12": descriptives.a12(gain * first, gain * second),
        **_sensitivity(np.empty((0, 2)), tests, family.config, family.comparisons),
    }
    return _result(family, (a, b), tests, {"n_pairs": 0, "dropped_pairs": 0, **numbers}, "welch", "run")


def compare_over_items(family: Family, a: str, b: str, blocks: Blocks) -> PairResult:
    """Compare the only common run of a and b over its items alone: a t-test of the difference, by the jackknife."""
    items, moved = family.items, family.moved
    assert items is not None
    assert moved is not None
    first, second = (items.index_of[int(row)] for row in blocks.rows[0])
    mean = float(items.scores[first] - items.scores[second])
    test = _over_items(mean, moved[:, first] - moved[:, second], items.degrees_of_freedom, family.config.alpha)
    tests = _Tests(NO_TEST, NO_TEST, NO_TEST, test, items.num_units)
    numbers = {
        "n_pairs": len(blocks.keys),
        "dropped_pairs": len(blocks.dropped),
        **_description(blocks.scores, family.config),
        **_sensitivity(blocks.scores, tests, family.config, family.comparisons),
    }
    return _result(family, (a, b), tests, numbers, "items", "item", blocks.dropped)


def _over_items(mean: float, moved: Floats, df: float, alpha: float) -> TestResult:
    if len(moved) < FEWEST_FOR_INTERVALS:
        return NO_TEST
    variance = float(moved @ moved)
    if variance < SMALLEST_VARIANCE:
        return TestResult(ci_low=mean, ci_high=mean, note=f"deterministic: difference = {mean:.6g}, no test")
    plain = paired_t.t_result(mean, math.sqrt(variance), df, alpha)
    effective = effective_number(moved)
    return replace(plain, details=dict(plain.details) | {"variance_items": variance, "effective_items": effective})


def _result(
    family: Family,
    pair: tuple[str, str],
    tests: _Tests,
    numbers: Mapping[str, Any],
    method: Method,
    unit: str,
    dropped: tuple[Key, ...] = (),
) -> PairResult:
    a, b = pair
    failures = compare_failures(family.failures[a], family.failures[b], family.config.allow_unequal_failures)
    row = {
        "a": a,
        "b": b,
        **numbers,
        **_test_columns(tests),
        "smallest_p": smallest_p_of(method, tests.n),
        **_simultaneous(tests.primary, family.config.alpha / family.comparisons),
        **_variance(tests.primary, family),
        "seeds": tests.seeds,
        "other_seeds_p": tests.other.p if tests.n >= FEWEST_FOR_VERDICT else None,
        "failure_difference": failures.difference,
        "failure_p": failures.p,
        "primary_method": method,
    }
    bound = None if method == "multi_bootstrap" else smallest_p_of(method, tests.n)
    unequal = None if family.config.allow_unequal_selection else unequal_looks(family.design.looks, a, b)
    blocked = failures.blocked or unequal
    return PairResult(row, tests.n, bound or 0.0, tests.primary.note, blocked, dropped, unit)


def _run_tests(
    blocks: Blocks, family: Family, options: TestOptions, flip_p: float | None, systems: tuple[str, str]
) -> _Tests:
    scores, design = blocks.scores, family.design
    if len(scores) < FEWEST_FOR_INTERVALS:
        return _Tests(NO_TEST, NO_TEST, NO_TEST, NO_TEST, len(scores))
    paired, signed_rank = paired_t.run(scores, options), wilcoxon.run(scores, options)
    flip = _flip(scores, design, options, flip_p)
    if design.method == "corrected_resampled_t":
        primary, n = _resampled(blocks, options)
    elif design.method == "multi_bootstrap":
        primary, other = _multi_bootstrap(blocks, family, options, systems)
        return _Tests(paired, flip, signed_rank, primary, len(scores), other, family.seeds.of(*systems))
    elif design.method == "welch":
        return _Tests(paired, flip, signed_rank, welch.run(scores, options), len(scores), paired, "independent")
    else:
        choice = {"paired_t": paired, "sign_flip": flip, "wilcoxon": signed_rank}
        primary, n = _with_interval(choice.get(design.method, _both(paired, flip)), paired), len(scores)
    return _Tests(paired, flip, signed_rank, primary, n)


def _flip(scores: Floats, design: Design, options: TestOptions, flip_p: float | None) -> TestResult:
    if design.splits_vary and design.method != "sign_flip":
        return NO_TEST
    if flip_p is None or degenerate(differences(scores)) is not None:
        return sign_flip.run(scores, options)
    return TestResult(p=flip_p)


def _multi_bootstrap(
    blocks: Blocks, family: Family, options: TestOptions, systems: tuple[str, str]
) -> tuple[TestResult, TestResult]:
    """Return the test over items and seeds, and beside it the same test with the seeds treated the other way."""
    items, moved, resampled = family.items, family.moved, family.resampled
    if items is None:
        return TestResult(note=f"the multi-bootstrap needs item predictions: {family.design.why_not_items}"), NO_TEST
    note = items.refusal or multi_bootstrap.too_few(len(blocks.scores), items.num_units)
    if note is not None:
        return TestResult(note=note), NO_TEST
    assert moved is not None
    assert resampled is not None
    indices = np.vectorize(items.index_of.__getitem__)(blocks.rows)
    scores, own, seeds = items.scores[indices], moved[:, indices], family.seeds.of(*systems)
    of_group = family.paired_priors.get(family.seeds.group(*systems), NOTHING)
    both = {
        "paired": multi_bootstrap.paired(scores, own, items.degrees_of_freedom, of_group),
        "independent": multi_bootstrap.independent(scores, own, items.degrees_of_freedom, family.prior),
    }
    if both["paired"].is_zero:
        return multi_bootstrap.judge(both["paired"], options), NO_TEST
    primary = multi_bootstrap.judge(both.pop(seeds), options)
    (other,) = both.values()
    if primary.p is None:
        return primary, NO_TEST
    details = dict(primary.details)
    details |= multi_bootstrap.percentiles(resampled[:, indices], options, are_paired=seeds == "paired")
    return replace(primary, details=details), multi_bootstrap.judge(other, options)


def _resampled(blocks: Blocks, options: TestOptions) -> tuple[TestResult, int]:
    units = average_over_seeds(blocks).scores
    if options.evaluation_to_train is None:
        note = "the corrected resampled t needs the columns train_items and evaluation_items"
        return TestResult(note=note), len(units)
    if len(units) < FEWEST_FOR_INTERVALS:
        return NO_TEST, len(units)
    return corrected_resampled_t.run(units, options), len(units)


def _with_interval(test: TestResult, paired: TestResult) -> TestResult:
    """Give a test without an interval of its own the interval of the paired t."""
    if test is paired:
        return paired
    return TestResult(None, paired.df, test.p, paired.ci_low, paired.ci_high, note=test.note, details=paired.details)


def _both(paired: TestResult, flip: TestResult) -> TestResult:
    """Reject only where both tests do: the larger p (intersection-union); for a constant difference, that of the flips.

    Without variance there is no paired t, and its p would be smaller than any of the flips.
    """
    if flip.p is None:
        return paired
    return flip if paired.p is None else TestResult(p=max(paired.p, flip.p))


def _description(scores: Floats, config: CompareConfig) -> dict[str, Any]:
    first, second = scores[:, 0], scores[:, 1]
    difference = differences(scores)
    gain = 1.0 if config.direction == "maximize" else -1.0  # superior means better, not larger
    superiority = descriptives.probability_of_superiority(gain * difference, config.alpha) or (None, None, None)
    return {
        **{f"mean_{side}": _mean(values) for side, values in (("a", first), ("b", second), ("diff", difference))},
        **{f"std_{side}": _std(values) for side, values in (("a", first), ("b", second), ("diff", difference))},
        "dz": descriptives.paired_dz(difference),
        "hedges_gz": descriptives.hedges_gz(difference),
        "prob_superiority": superiority[0],
        "prob_superiority_low": superiority[1],
        "prob_superiority_high": superiority[2],
        "a12": descriptives.a12(gain * first, gain * second),
        "correlation": descriptives.pair_correlation(first, second),
        "shapiro_p": _shapiro(difference),
    }


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _std(values: Floats) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _shapiro(difference: Floats) -> float | None:
    """Return the p of a normality test of the differences: a diagnostic, never a switch between tests."""
    from scipy import stats

    if len(difference) < FEWEST_FOR_INTERVALS or descriptives.is_constant(difference):
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
        "primary_p": tests.primary.p if decidable else None,
        "primary_df": tests.primary.df,
        "primary_ci_low": tests.primary.ci_low,
        "primary_ci_high": tests.primary.ci_high,
    }


def _sensitivity(scores: Floats, tests: _Tests, config: CompareConfig, comparisons: int) -> dict[str, Any]:
    """Return the TOST p and the smallest effect detected with 80% power at the first step, alpha / comparisons."""
    details = tests.primary.details
    error, df = details.get("error"), tests.primary.df
    if error is None or df is None or tests.n < FEWEST_FOR_INTERVALS:
        return {"tost_p": None, "detectable_dz": None, "detectable_difference": None}
    level = config.alpha / comparisons
    if "share" in details:
        df = equivalent_df(level, details["share"], details["seed_df"], details["item_df"], details["factor"])
    factor = detectable_errors(df, level)
    detectable = None if factor is None else factor * error
    deviation = float(differences(scores).std(ddof=1)) if len(scores) > 1 else 0.0
    tost = None
    if config.rope is not None and tests.n >= FEWEST_FOR_VERDICT:
        tost = details.get("equivalence_p", paired_t.equivalence_p(details["mean"], error, df, config.rope))
    return {
        "tost_p": tost,
        "detectable_dz": None if detectable is None or deviation == 0 else detectable / deviation,
        "detectable_difference": detectable,
    }


def _simultaneous(primary: TestResult, level: float) -> dict[str, float | None]:
    """Return the interval at 1 - alpha / comparisons: those of all pairs hold together at 1 - alpha (Bonferroni)."""
    from scipy import special

    details, df = primary.details, primary.df
    if details.get("error") is None or df is None:
        return {"simultaneous_low": primary.ci_low, "simultaneous_high": primary.ci_high}
    if "share" in details:
        reach = details["factor"] * float(
            critical_value(level, details["share"], details["seed_df"], details["item_df"])
        )
    else:
        reach = -float(special.stdtrit(df, level / 2))
    margin = reach * details["error"]
    return {"simultaneous_low": details["mean"] - margin, "simultaneous_high": details["mean"] + margin}


def _variance(primary: TestResult, family: Family) -> dict[str, Any]:
    """Return where the uncertainty comes from: the variance of the mean difference by seeds and by items."""
    details = primary.details
    return {
        "n_items": None if family.items is None else family.items.num_units,
        "variance_seeds": details.get("variance_seeds"),
        "variance_items": details.get("variance_items"),
        "effective_items": details.get("effective_items"),
        "variance_answers": details.get("variance_answers"),
        "percentile_low": details.get("percentile_low"),
        "percentile_high": details.get("percentile_high"),
    }
