"""The bound on power lies between what the t-test has and what knowing the variance would give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.power_envelope import Truth, best_power, truth_of

TWO_SIDED = stats.norm.isf(0.025)


def power_of_t(difference: float, df: int) -> float:
    reach = stats.t.isf(0.025, df)
    return float(stats.nct.sf(reach, df, difference) + stats.nct.cdf(-reach, df, difference))


@pytest.mark.parametrize("seeds", [5, 10])
def test_no_honest_test_has_less_than_the_t_test_or_more_than_the_known_variance_gives(seeds: int) -> None:
    bound = best_power(Truth(difference=TWO_SIDED, answers=1.0, seeds=1.0, items=0.0), seeds - 1, 0.05)
    assert power_of_t(TWO_SIDED, seeds - 1) < bound < 0.5
    assert power_of_t(TWO_SIDED, seeds - 1) / bound == pytest.approx(0.97 if seeds == 5 else 0.995, abs=0.01)


def test_two_systems_that_vary_on_their_own_allow_more_power_than_their_paired_differences() -> None:
    """Five seeds each: 8 degrees of freedom instead of 4 are worth 5 to 9 points at 50% power."""
    truth = Truth(difference=TWO_SIDED, answers=1.0, seeds=1.0, items=0.0)
    gained = best_power(truth, 8, 0.05) - best_power(truth, 4, 0.05)
    assert 0.03 < gained < 0.12
    assert best_power(truth, 4, 0.05) < power_of_t(TWO_SIDED, 8) < best_power(truth, 8, 0.05)


def test_where_the_items_are_all_that_varies_the_bound_is_the_power_of_the_normal_test() -> None:
    truth = Truth(difference=2.8, answers=1e-4, seeds=1e-4, items=1.0)
    expected = stats.norm.sf(TWO_SIDED - 2.8) + stats.norm.cdf(-TWO_SIDED - 2.8)
    assert best_power(truth, 4, 0.05) == pytest.approx(expected, abs=0.02)


def test_the_parts_of_the_variance_are_those_of_the_model() -> None:
    generator = np.random.default_rng(0)
    repetitions, seeds, items = 400, 6, 80
    found = truth_of(
        0.3
        + 0.2 * generator.normal(size=(repetitions, seeds, 1))
        + 0.5 * generator.normal(size=(repetitions, 1, items))
        + generator.normal(size=(repetitions, seeds, items))
    )
    assert found.difference == pytest.approx(0.3, abs=0.02)
    assert found.answers == pytest.approx(1 / (seeds * items), rel=0.03)
    assert found.seeds == pytest.approx(0.04 / seeds + 1 / (seeds * items), rel=0.1)
    assert found.items == pytest.approx(0.25 / items, rel=0.05)
