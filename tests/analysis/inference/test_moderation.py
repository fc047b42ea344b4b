"""Variances over seeds are pooled only where nothing speaks against it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.inference.moderation import NOTHING, Prior, bartlett, common_paired_variance, common_variance

ALIKE = [np.array(own) for own in ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [5.0, 6.0, 7.5])]


def test_alike_systems_lend_each_other_as_many_degrees_of_freedom_as_their_own() -> None:
    """Variances 1, 1 and 1.583: their mean is 1.194, with 2 degrees; a variance of 1 becomes 1.097 with 4."""
    prior = common_variance(ALIKE)
    assert (prior.variance, prior.df) == pytest.approx((1.19444, 2.0), abs=1e-5)
    assert prior.moderated(1.0, 2.0) == pytest.approx((1.09722, 4.0), abs=1e-5)
    assert NOTHING.moderated(1.0, 2.0) == (1.0, 2.0)


@pytest.mark.parametrize(
    "scores",
    [
        ALIKE[:2],
        [*ALIKE, np.array([0.0, 4.0, -4.0])],
        [*ALIKE, np.array([1.0, 1.0, 1.0])],
        [*ALIKE, np.array([1.0, 2.0])],
    ],
    ids=["two systems", "another spread", "no spread", "two seeds"],
)
def test_the_gate_is_shut(scores: list[np.ndarray]) -> None:
    assert common_variance(scores) == Prior(0.0, 0.0)


def test_the_gate_is_bartletts_test() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(4, 6))
    own = bartlett(scores.var(axis=1, ddof=1), np.full(4, 5.0))
    assert own == pytest.approx(stats.bartlett(*scores).statistic)


def test_differences_of_paired_seeds_vary_twice_as_much_as_systems_on_their_own() -> None:
    """Own parts 1 -1 0 0, -1 1 0 0, 0 0 1 -1 and 0 0 -1 1 beside seed effects: residual variance 8 / 9, twice that."""
    own = np.array([[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]], dtype=float)
    scores = own + np.array([[5.0], [0.0], [2.0], [9.0]])
    assert common_paired_variance(scores) == Prior(pytest.approx(2 * 8 / 9), 3.0)
    assert common_paired_variance(scores[:, :3]) == NOTHING
    assert common_paired_variance(scores[:2]) == NOTHING
    assert common_paired_variance(scores * np.array([1.0, 1.0, 1.0, 50.0])) == NOTHING
