"""The tests beyond the default ones: hand-checked numbers first, then the numbers of the libraries that have them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.inference.interface import TestOptions
from analysis.statistics import (
    almost_stochastic_order,
    bayesian_signed_rank,
    bca,
    cochran_q,
    expected_validation_performance,
    friedman,
    interquartile_mean,
    kendall_w,
    nemenyi,
    performance_profile,
    repeated_measures_anova,
    tost,
    welch,
)

INPUTS = 200


def options(seed: int = 0, rope: float | None = None, resamples: int = 10_000) -> TestOptions:
    return TestOptions(generator=np.random.default_rng(seed), rope=rope, resamples=resamples)


def random_scores(number: int, systems: int = 4) -> np.ndarray:
    generator = np.random.default_rng(number)
    n = int(generator.integers(3, 25))
    return generator.normal(size=(n, systems)) + generator.normal(size=(n, 1)) + 0.3 * np.arange(systems)


def test_the_expected_maximum_of_three_trials_is_counted_by_hand() -> None:
    found = expected_validation_performance.expected_maximum(np.array([3.0, 1.0, 2.0]))
    assert found == pytest.approx([2.0, (1 * 1 + 2 * 3 + 3 * 5) / 9, (1 * 1 + 2 * 7 + 3 * 19) / 27])


def test_an_epsilon_of_one_is_sphericity_and_its_smallest_value_is_one_over_k_minus_one() -> None:
    generator = np.random.default_rng(0)
    assert repeated_measures_anova.greenhouse_geisser(generator.normal(size=(100_000, 4))) == pytest.approx(1, abs=0.01)
    one_way = generator.normal(size=(20, 1)) * np.array([[0.0, 1.0, 2.0, 3.0]])
    assert repeated_measures_anova.greenhouse_geisser(one_way) == pytest.approx(1 / 3)


def test_greenhouse_geisser_of_a_textbook_table() -> None:
    """Epsilon by Box's formula with means of the covariance matrix, written out the other way."""
    scores = np.array([[8, 7, 1, 6], [9, 5, 2, 5], [6, 2, 3, 8], [5, 3, 1, 9], [8, 4, 5, 8], [7, 5, 6, 7]], dtype=float)
    covariance, k = np.cov(scores, rowvar=False), 4
    above = (k * (np.diag(covariance).mean() - covariance.mean())) ** 2
    below = (covariance**2).sum() - 2 * k * (covariance.mean(axis=1) ** 2).sum() + k**2 * covariance.mean() ** 2
    result = repeated_measures_anova.run(scores, TestOptions())
    assert result.details["epsilon"] == pytest.approx(above / ((k - 1) * below))
    assert result.p > result.details["p_uncorrected"]


def test_repeated_measures_anova_equals_statsmodels_on_random_inputs() -> None:
    """Statsmodels has F; the correction follows from the roots of the covariance of contrasts (Box 1954)."""
    import pandas as pd
    from scipy.linalg import helmert
    from statsmodels.stats.anova import AnovaRM

    for number in range(INPUTS):
        scores = random_scores(number, systems=3 + number % 3)[:8]
        n, k = scores.shape
        frame = pd.DataFrame({"y": scores.ravel(), "row": np.repeat(np.arange(n), k), "system": np.tile(range(k), n)})
        theirs = AnovaRM(frame, "y", "row", within=["system"]).fit().anova_table.iloc[0]
        ours = repeated_measures_anova.run(scores, TestOptions())
        assert (ours.statistic, ours.details["p_uncorrected"]) == pytest.approx((theirs["F Value"], theirs["Pr > F"]))
        contrasts = helmert(k)
        roots = np.linalg.eigvalsh(contrasts @ np.cov(scores, rowvar=False) @ contrasts.T)
        epsilon = roots.sum() ** 2 / ((k - 1) * (roots**2).sum())
        assert ours.df == pytest.approx(epsilon * (k - 1))
        corrected = stats.f.sf(theirs["F Value"], epsilon * (k - 1), epsilon * (k - 1) * (n - 1))
        assert ours.p == pytest.approx(corrected)


def test_nemenyi_equals_scikit_posthocs_on_random_inputs() -> None:
    scikit_posthocs = pytest.importorskip("scikit_posthocs", reason="the oracle for Nemenyi is a development extra")
    for number in range(INPUTS):
        scores = random_scores(number, systems=3 + number % 3)
        theirs = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
        ours = nemenyi.run(scores, TestOptions())
        assert np.array(ours.details["p_values"]) == pytest.approx(theirs, abs=1e-6)
        assert ours.p == pytest.approx(theirs.min(), abs=1e-6)


def test_two_of_three_systems_a_critical_difference_apart_have_a_p_of_five_percent() -> None:
    distance = friedman.nemenyi_q(3, 0.05) * math.sqrt(2)
    assert nemenyi.range_sf(np.array([distance, 0.0]), 3) == pytest.approx([0.05, 1.0], abs=1e-8)


def test_kendalls_w_is_one_for_one_order_and_small_for_noise() -> None:
    assert kendall_w.run(np.tile([1.0, 2.0, 3.0], (5, 1)), TestOptions()).statistic == pytest.approx(1.0)
    noise = kendall_w.run(np.random.default_rng(0).normal(size=(500, 4)), TestOptions())
    assert noise.statistic < 0.02
    for number in range(INPUTS):
        scores = random_scores(number)
        n, k = scores.shape
        chi_square = stats.friedmanchisquare(*scores.T).statistic
        assert kendall_w.run(scores, TestOptions()).statistic == pytest.approx(chi_square / (n * (k - 1)))


def test_cochrans_q_equals_statsmodels_on_random_inputs() -> None:
    from statsmodels.stats.contingency_tables import cochrans_q

    for number in range(INPUTS):
        hits = np.random.default_rng(number).integers(0, 2, size=(20, 3))
        ours, theirs = cochran_q.run(hits, TestOptions()), cochrans_q(hits)
        assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_cochrans_q_of_two_systems_would_be_mcnemars() -> None:
    with pytest.raises(ValueError, match="three or more"):
        cochran_q.run(np.ones((5, 2)), TestOptions())
    with pytest.raises(ValueError, match="hits"):
        cochran_q.run(np.full((5, 3), 0.5), TestOptions())


def test_welch_equals_scipy_on_random_inputs() -> None:
    for number in range(INPUTS):
        scores = random_scores(number, systems=2)
        ours, theirs = welch.run(scores, TestOptions()), stats.ttest_ind(*scores.T, equal_var=False)
        interval = theirs.confidence_interval()
        assert (ours.statistic, ours.p, ours.df) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.df))
        assert (ours.ci_low, ours.ci_high) == pytest.approx((interval.low, interval.high))


def test_equivalence_equals_statsmodels_on_random_inputs() -> None:
    from statsmodels.stats.weightstats import DescrStatsW

    for number in range(INPUTS):
        scores = random_scores(number, systems=2)
        theirs = DescrStatsW(scores[:, 0] - scores[:, 1]).ttost_mean(-0.8, 0.8)[0]
        ours = tost.run(scores, options(rope=0.8))
        assert ours.p == pytest.approx(theirs)
        assert ours.details["equivalent"] == (theirs < 0.05)


def test_the_bca_interval_equals_scipys_for_the_same_draws() -> None:
    """Differences are multiples of 2^-10, so that sums are exact and both see the same ties with the mean."""
    for number in range(INPUTS):
        scores = np.exp(random_scores(number, systems=2))
        difference = np.round(1024 * (scores[:, 0] - scores[:, 1])) / 1024
        generator = np.random.default_rng(number)
        theirs = stats.bootstrap((difference,), np.mean, n_resamples=499, confidence_level=0.9, rng=generator)
        low, high, _, _ = bca.interval(difference, theirs.bootstrap_distribution, 0.1)
        assert (low, high) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)


def test_the_bca_test_draws_its_means_itself() -> None:
    scores = np.exp(random_scores(3, systems=2))
    ours = bca.run(scores, options(3))
    theirs = stats.bootstrap((scores[:, 0] - scores[:, 1],), np.mean, rng=np.random.default_rng(3)).confidence_interval
    width = theirs.high - theirs.low
    assert (ours.ci_low, ours.ci_high) == pytest.approx((theirs.low, theirs.high), abs=0.06 * width)


def test_full_dominance_violates_nothing_and_the_other_way_round_everything() -> None:
    scores = np.column_stack([np.arange(10.0) + 20, np.arange(10.0)])
    found = almost_stochastic_order.run(scores, options())
    assert (found.details["ratio_first"], found.details["minimum_first"]) == (0.0, 0.0)
    assert found.details["minimum_second"] == 1.0
    other = almost_stochastic_order.run(scores[:, ::-1], options())
    assert other.details["ratio_first"] == 1.0


def test_the_violation_ratio_is_counted_by_hand() -> None:
    scores = np.array([[[1.0, 5.0]], [[2.0, 3.0]]])
    assert almost_stochastic_order.violation(scores) == pytest.approx([1 / 5])


def test_the_bound_of_almost_stochastic_order_is_rarely_below_a_half_for_equal_systems() -> None:
    bounds = [
        almost_stochastic_order.run(np.random.default_rng(number).normal(size=(20, 2)), options(resamples=300)).details
        for number in range(INPUTS)
    ]
    assert np.mean([bound["minimum_first"] < 0.5 for bound in bounds]) < 0.15
    assert np.mean([bound["minimum_first"] < 0.2 for bound in bounds]) < 0.03


def test_bayesian_probabilities_sum_to_one_and_turn_with_the_systems() -> None:
    for number in range(20):
        scores = random_scores(number, systems=2)
        first, second = (bayesian_signed_rank.run(v, options(rope=0.2)).details for v in (scores, scores[:, ::-1]))
        assert sum(value for key, value in first.items() if key != "rope") == pytest.approx(1.0)
        assert first["probability_first"] == pytest.approx(second["probability_second"], abs=1e-9)


def test_clear_differences_are_certain_and_small_ones_equivalent() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, size=(20, 2))
    better = bayesian_signed_rank.run(noise + np.array([0.5, 0.0]), options(rope=0.1)).details
    same = bayesian_signed_rank.run(noise, options(rope=0.1)).details
    assert better["probability_first"] > 0.999
    assert same["probability_equivalent"] > 0.999


def test_the_posterior_of_one_draw_pair_is_the_one_computed_by_hand() -> None:
    weights = np.array([[0.2, 0.3, 0.5]])
    sums = np.array([0.0, 1.0, -1.0])[:, None] + np.array([0.0, 1.0, -1.0])[None, :]
    assert bayesian_signed_rank._mass(weights, sums > 0) == pytest.approx([0.3**2 + 2 * 0.2 * 0.3])


def test_the_middle_mean_equals_scipys_trimmed_mean_and_its_interval_holds_it() -> None:
    for number in range(INPUTS):
        scores = random_scores(number)
        assert interquartile_mean.middle_mean(scores.T) == pytest.approx(stats.trim_mean(scores, 0.25, axis=0))
    details = interquartile_mean.run(random_scores(1), options(resamples=500)).details
    for low, mean, high in zip(details["low"], details["means"], details["high"], strict=True):
        assert low <= mean <= high


def test_a_profile_is_the_share_of_rows_above_each_level() -> None:
    details = performance_profile.run(np.array([[0.0, 1.0], [0.5, 1.0]]), TestOptions()).details
    assert (details["levels"][0], details["levels"][-1], len(details["levels"])) == (0.0, 1.0, 101)
    assert details["shares"][0][0] == 0.5
    assert details["shares"][0][60] == details["shares"][1][-1] == 0.0
    assert details["shares"][1][99] == 1.0
