"""Where scipy, statsmodels, scikit-posthocs and scikit-learn have the method, ours gives their numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from analysis.comparison import design
from analysis.inference import descriptives
from analysis.inference.descriptives import interquartile_mean
from analysis.inference.holm import holm
from analysis.inference.interface import TestOptions
from analysis.metrics import (
    Metric,
    accuracy,
    macro_f1,
    macro_f1_with_outside,
    micro_f1,
    weighted_f1,
    weighted_f1_with_outside,
)
from analysis.statistics import corrected_resampled_t, friedman, mcnemar, paired_t, sign_flip, wilcoxon

INPUTS = 200


def random_pairs(number: int) -> np.ndarray:
    generator = np.random.default_rng(number)
    n = int(generator.integers(3, 25))
    return generator.normal(0.8, 0.02, size=(n, 2)) + generator.normal(0, 0.02, size=(n, 1))


def test_paired_t_equals_scipy_on_random_inputs() -> None:
    for number in range(INPUTS):
        pairs = random_pairs(number)
        ours, theirs = paired_t.run(pairs, TestOptions(alpha=0.1)), stats.ttest_rel(pairs[:, 0], pairs[:, 1])
        interval = theirs.confidence_interval(0.9)
        assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-6)
        assert (ours.ci_low, ours.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-6)


def test_wilcoxon_equals_scipys_exact_test_on_random_inputs() -> None:
    for number in range(INPUTS):
        pairs = random_pairs(number)
        ours = wilcoxon.run(pairs, TestOptions())
        theirs = stats.wilcoxon(pairs[:, 0], pairs[:, 1], method="exact")
        assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


def test_wilcoxon_with_ties_equals_the_count_over_all_sign_patterns() -> None:
    for number in range(INPUTS):
        generator = np.random.default_rng(number)
        difference = generator.integers(-3, 4, size=int(generator.integers(3, 11))).astype(float)
        nonzero = difference[difference != 0]
        if len(nonzero) == 0 or np.ptp(difference) == 0:
            continue
        ranks = stats.rankdata(np.abs(nonzero))
        patterns = (np.arange(2 ** len(ranks))[:, None] >> np.arange(len(ranks))) & 1
        sums, observed = patterns @ ranks, ranks[nonzero > 0].sum()
        middle = ranks.sum() / 2
        expected = np.mean(np.abs(sums - middle) >= abs(observed - middle) - 1e-9)
        pairs = np.column_stack([difference, np.zeros_like(difference)])
        assert wilcoxon.run(pairs, TestOptions()).p == pytest.approx(expected)


def test_wilcoxon_of_many_pairs_is_close_to_scipys_approximation() -> None:
    generator = np.random.default_rng(5)
    pairs = generator.normal(size=(300, 2)) + np.array([0.15, 0.0])
    theirs = stats.wilcoxon(pairs[:, 0], pairs[:, 1], correction=False)
    assert wilcoxon.run(pairs, TestOptions()).p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_sign_flip_equals_scipys_exact_permutation_test_on_random_inputs() -> None:
    for number in range(INPUTS):
        pairs = random_pairs(number)[:9]
        theirs = stats.permutation_test(
            (pairs[:, 0], pairs[:, 1]),
            lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert sign_flip.run(pairs, TestOptions()).p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_a_monte_carlo_p_is_never_0() -> None:
    scores = np.stack([np.full(40, 0.9) + np.arange(40) / 1000, np.full(40, 0.1)], axis=1)
    drawn = sign_flip.run(scores, TestOptions(generator=np.random.default_rng(0)))
    assert drawn.p == 1 / (1 + sign_flip.RESAMPLES)


def test_monte_carlo_sign_flip_is_close_to_the_exact_count() -> None:
    generator = np.random.default_rng(3)
    pairs = generator.normal(size=(17, 2)) + np.array([0.5, 0.0])
    difference = pairs[:, 0] - pairs[:, 1]
    sums = np.zeros(1)
    for value in difference:
        sums = np.concatenate([sums + value, sums - value])
    exact = np.mean(np.abs(sums) >= abs(difference.sum()) - 1e-9)
    drawn = sign_flip.run(pairs, TestOptions(generator=np.random.default_rng(0)))
    assert drawn.p == pytest.approx(exact, abs=4 * np.sqrt(exact / sign_flip.RESAMPLES))
    assert drawn.p == sign_flip.run(pairs, TestOptions(generator=np.random.default_rng(0))).p


def test_friedman_equals_scipy_on_random_inputs_with_ties() -> None:
    for number in range(INPUTS):
        generator = np.random.default_rng(number)
        n, k = generator.integers(3, 15), generator.integers(3, 7)
        scores = generator.integers(0, 6, size=(n, k)) / 10
        if (np.ptp(scores, axis=1) == 0).all():
            continue
        ours, theirs = friedman.run(scores, TestOptions()), stats.friedmanchisquare(*scores.T)
        assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


def test_nemenyi_agrees_with_scikit_posthocs() -> None:
    scikit_posthocs = pytest.importorskip("scikit_posthocs", reason="the oracle for Nemenyi is a development extra")
    scores = np.random.default_rng(2).normal(size=(12, 4)) + np.array([0.0, 0.3, 0.8, 2.0])
    ranks = np.array(friedman.run(scores, TestOptions()).details["mean_ranks"])
    p = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    difference = friedman.critical_difference(4, 12, 0.05)
    far = np.abs(ranks[:, None] - ranks[None, :]) > difference
    assert far.any()
    assert (far == (p < 0.05)).all()


def test_the_corrected_resampled_t_shrinks_t_by_the_ratio_of_the_variances() -> None:
    for number in range(INPUTS):
        pairs = random_pairs(number)
        plain, n = stats.ttest_rel(pairs[:, 0], pairs[:, 1]), len(pairs)
        shrunk = plain.statistic * np.sqrt((1 / n) / (1 / n + 0.25))
        ours = corrected_resampled_t.run(pairs, TestOptions(evaluation_to_train=0.25))
        assert ours.statistic == pytest.approx(shrunk, rel=1e-6)
        assert ours.p == pytest.approx(2 * stats.t.sf(abs(shrunk), n - 1), rel=1e-6)


def test_equivalence_agrees_with_statsmodels_tost() -> None:
    from statsmodels.stats.weightstats import DescrStatsW

    for number in range(INPUTS):
        pairs = random_pairs(number)
        details = paired_t.run(pairs, TestOptions()).details
        theirs = DescrStatsW(pairs[:, 0] - pairs[:, 1]).ttost_mean(-0.01, 0.01)[0]
        assert paired_t.equivalence_p(details["mean"], details["error"], len(pairs) - 1, 0.01) == pytest.approx(theirs)


def test_mcnemar_equals_the_binomial_test() -> None:
    for number in range(50):
        hits = np.random.default_rng(number).integers(0, 2, size=(40, 2))
        b, c = ((hits[:, 0] > hits[:, 1]).sum(), (hits[:, 0] < hits[:, 1]).sum())
        assert mcnemar.run(hits, TestOptions()).p == pytest.approx(stats.binomtest(int(b), int(b + c)).pvalue)


def test_holm_equals_statsmodels_on_random_inputs() -> None:
    for number in range(INPUTS // 10):
        p = np.random.default_rng(number).uniform(size=10)
        assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_detectable_effects_equal_statsmodels_solutions() -> None:
    theirs = TTestPower().solve_power(effect_size=None, nobs=12, alpha=0.05, power=0.8)
    assert design.minimum_detectable_effect(12) == pytest.approx(float(theirs), rel=1e-6)


def test_a12_equals_the_scaled_mann_whitney_statistic() -> None:
    for number in range(INPUTS):
        generator = np.random.default_rng(number)
        a, b = generator.integers(0, 5, size=9) / 10, generator.integers(0, 5, size=7) / 10
        assert descriptives.a12(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / 63)


def test_the_superiority_interval_is_wilsons() -> None:
    difference = np.array([1.0] * 7 + [-1.0] * 3)
    theirs = stats.binomtest(7, 10).proportion_ci(method="wilson")
    assert descriptives.probability_of_superiority(difference, 0.05) == pytest.approx((0.7, theirs.low, theirs.high))


def test_the_interquartile_mean_equals_scipys_trimmed_mean() -> None:
    for number in range(INPUTS):
        scores = np.random.default_rng(number).normal(size=number % 20 + 1)
        assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25))


@pytest.mark.parametrize(
    ("metric", "average", "outside"),
    [
        (micro_f1.METRIC, "micro", False),
        (macro_f1.METRIC, "macro", False),
        (weighted_f1.METRIC, "weighted", False),
        (macro_f1_with_outside.METRIC, "macro", True),
        (weighted_f1_with_outside.METRIC, "weighted", True),
    ],
)
def test_f1_equals_scikit_learn_plain_and_weighted(metric: Metric, average: str, outside: bool) -> None:
    for number in range(INPUTS // 4):
        generator = np.random.default_rng(number)
        gold, predicted = generator.choice(list("OOABC"), size=(2, 30)).tolist()
        weights = generator.integers(0, 4, size=30)
        seen = [word for word, weight in enumerate(weights) if weight]
        labels = sorted({*gold, *predicted} - (set() if outside else {"O"}))
        settings = {"average": average, "zero_division": 0}
        plain = sklearn_metrics.f1_score(gold, predicted, labels=labels, **settings)
        assert metric.score(gold, predicted) == pytest.approx(plain)
        present = sorted({label for word in seen for label in (gold[word], predicted[word])} & set(labels))
        theirs = sklearn_metrics.f1_score(gold, predicted, labels=present, sample_weight=weights, **settings)
        assert metric.weighted(gold, predicted, weights) == pytest.approx(theirs)


def test_accuracy_is_scikit_learns_and_equals_micro_f1_with_outside() -> None:
    gold, predicted = np.random.default_rng(0).choice(list("OAB"), size=(2, 50)).tolist()
    score = accuracy.METRIC.score(gold, predicted)
    assert score == pytest.approx(sklearn_metrics.accuracy_score(gold, predicted))
    assert score == pytest.approx(sklearn_metrics.f1_score(gold, predicted, average="micro"))
