"""Almost stochastic order and the Bayesian signed-rank test against closed forms and references of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from analysis.inference.interface import TestOptions
from analysis.statistics import almost_stochastic_order, bayesian_signed_rank

INPUTS, DRAWS = 200, 40_000
NAMES = ("probability_first", "probability_equivalent", "probability_second")


def violation(first: np.ndarray, second: np.ndarray) -> float:
    return float(almost_stochastic_order.violation(np.array([first, second])[:, None])[0])


def posterior(difference: list[float], rope: float = 0.0) -> np.ndarray:
    options = TestOptions(generator=np.random.default_rng(0), rope=rope, resamples=DRAWS)
    pairs = np.column_stack([difference, np.zeros(len(difference))])
    found = bayesian_signed_rank.run(pairs, options).details
    return np.array([found[name] for name in NAMES])


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 2.0), (0.5, 2.0), (1.0, 1.5), (-0.3, 0.5), (0.2, 1.2)])
def test_the_violation_of_two_normal_distributions_is_their_closed_form(shift: float, scale: float) -> None:
    """Quantiles differ by D = shift + (1 - scale) z, a normal variable, and the ratio is E[D^2; D < 0] / E[D^2]."""
    z = special.ndtri((np.arange(20_000) + 0.5) / 20_000)
    spread = abs(1 - scale)
    whole = shift**2 + spread**2
    below = whole * stats.norm.cdf(-shift / spread) - shift * spread * stats.norm.pdf(shift / spread)
    assert violation(shift + z, scale * z) == pytest.approx(below / whole, abs=2e-3)


def test_violations_of_both_directions_add_up_to_one_and_do_not_depend_on_the_unit() -> None:
    for number in range(INPUTS):
        first, second = np.random.default_rng(number).normal(size=(2, 15))
        ratio = violation(first, second)
        assert ratio + violation(second, first) == pytest.approx(1.0)
        assert violation(100 * first + 7, 100 * second + 7) == pytest.approx(ratio)
        assert violation(-first, -second) == pytest.approx(1 - ratio)


def test_the_bound_equals_one_computed_from_quantile_functions() -> None:
    """Del Barrio et al. 2018, theorem 1: ratio - sqrt((n + m) / nm) sigma ndtri(alpha), sigma from a bootstrap."""
    generator = np.random.default_rng(11)
    first, second = generator.normal(0.3, 1.0, size=25), generator.normal(0.0, 1.4, size=25)
    levels = (np.arange(5_000) + 0.5) / 5_000

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        apart = np.quantile(a, levels, method="inverted_cdf") - np.quantile(b, levels, method="inverted_cdf")
        return float((np.minimum(apart, 0) ** 2).sum() / (apart**2).sum())

    drawn = [ratio(generator.choice(first, 25), generator.choice(second, 25)) for _ in range(1_500)]
    sigma = math.sqrt(25 * 25 / 50) * np.std(drawn)
    bound = ratio(first, second) - math.sqrt(50 / 625) * sigma * stats.norm.ppf(0.05)
    options = TestOptions(generator=np.random.default_rng(0), resamples=10_000)
    ours = almost_stochastic_order.run(np.column_stack([first, second]), options)
    assert ours.statistic == pytest.approx(ratio(first, second), abs=1e-3)
    assert ours.details["minimum_first"] == pytest.approx(bound, abs=0.02)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_differences_of_one_sign_leave_doubt_only_through_the_prior(n: int) -> None:
    """The first is ahead unless the weight at zero, Beta(1/2, n), is above the square root of one half."""
    expected = special.betainc(0.5, n, math.sqrt(0.5))
    first, equivalent, second = posterior([1.0 + k for k in range(n)])
    assert first == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / DRAWS) + 1e-9)
    assert (equivalent, second) == (pytest.approx(1 - first), 0.0)


@pytest.mark.parametrize(("ahead", "behind", "rope"), [(3, 3, 0.0), (6, 3, 0.0), (6, 3, 0.4), (6, 3, 0.8), (2, 9, 0.6)])
def test_equal_steps_up_and_down_reduce_to_three_weights(ahead: int, behind: int, rope: float) -> None:
    """Steps of one size pool their weights: Dirichlet(1/2, ahead, behind), drawn here from gamma variables."""
    gamma = np.random.default_rng(5).standard_gamma([0.5, ahead, behind], size=(DRAWS, 3))
    zero, up, down = (gamma / gamma.sum(axis=1, keepdims=True)).T
    beyond = 2 * zero if rope < 0.5 else 0.0 * zero  # a step and the zero add up to 1, the region ends at 2 rope
    first, second = up * (up + beyond), down * (down + beyond)
    shares = np.stack([first, 1 - first - second, second])
    wins = np.bincount(shares.argmax(axis=0), minlength=3) / DRAWS
    assert posterior([1.0] * ahead + [-1.0] * behind, rope) == pytest.approx(wins, abs=6 * 0.5 / math.sqrt(DRAWS))


def test_differences_within_the_region_are_equivalent_for_certain() -> None:
    assert posterior([0.1, -0.2, 0.15, 0.05], rope=0.2).tolist() == [0.0, 1.0, 0.0]


def test_a_wider_region_never_makes_equivalence_less_probable() -> None:
    difference = np.random.default_rng(2).normal(0.1, 0.3, size=12).tolist()
    found = [posterior(difference, rope)[1] for rope in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)]
    assert found == sorted(found)
    assert found[-1] > 0.99
