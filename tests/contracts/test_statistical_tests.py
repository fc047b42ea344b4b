"""Every registered statistical test: symmetric, honest under the null, truthful about its smallest p, safe at edges."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import registry
from analysis.statistical_test import Setting, StatisticalTest

NAMES = registry.names("test")
NULL_DRAWS = 400


def setting(seed: int = 0) -> Setting:
    return Setting(alpha=0.05, generator=np.random.default_rng(seed), evaluation_to_train=0.25)


def null_values(test: StatisticalTest, number: int, n: int = 12) -> np.ndarray:
    """Blocks in which no system is better: equal in distribution, and alike within a block."""
    generator = np.random.default_rng(number)
    if test.values == "hits":
        return generator.integers(0, 2, size=(4 * n, 2)).astype(float)
    systems = 2 if test.systems == "two" else 4
    split = generator.normal(0, 0.5) if test.name == "corrected_resampled_t" else 0.0
    own = generator.normal(size=(n, systems))
    return own + generator.normal(size=(n, 1)) + split * np.arange(systems)


@pytest.mark.parametrize("name", NAMES)
def test_a_test_states_what_it_is(name: str) -> None:
    test = registry.load("test", name)
    assert test.name == name
    assert all((test.title, test.assumes, test.generalises_over, test.source))
    assert test.systems in ("two", "many")


@pytest.mark.parametrize("name", NAMES)
def test_swapping_the_systems_turns_the_sign_and_keeps_p(name: str) -> None:
    test = registry.load("test", name)
    for number in range(20):
        values = null_values(test, number)
        forward, backward = test.run(values, setting()), test.run(values[:, ::-1], setting())
        assert forward.p == pytest.approx(backward.p)
        if forward.ci_low is not None:
            assert (forward.ci_low, forward.ci_high) == pytest.approx((-backward.ci_high, -backward.ci_low))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_rows_does_not_matter(name: str) -> None:
    test = registry.load("test", name)
    values = null_values(test, 7)
    shuffled = np.random.default_rng(1).permutation(values)
    assert test.run(shuffled, setting()).p == pytest.approx(test.run(values, setting()).p)


@pytest.mark.parametrize("name", NAMES)
def test_equally_good_systems_are_rarely_told_apart(name: str) -> None:
    test = registry.load("test", name)
    p = np.array([test.run(null_values(test, number), setting(number)).p for number in range(NULL_DRAWS)])
    standard_error = np.sqrt(0.05 * 0.95 / NULL_DRAWS)
    assert ((p >= 0) & (p <= 1)).all()
    assert np.mean(p < 0.05) <= 0.05 + 3 * standard_error


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [3, 5, 8, 16, 20])
def test_no_data_give_a_p_below_the_stated_smallest(name: str, n: int) -> None:
    test = registry.load("test", name)
    systems = 2 if test.systems == "two" else 4
    steps = np.linspace(1.0, 1.5, n)[:, None]
    values = steps * np.arange(systems) if test.values == "scores" else np.tile([1.0, 0.0], (n, 1))
    p, smallest = test.run(values, setting()).p, test.smallest_p(n, systems)
    assert p >= smallest * (1 - 1e-9)
    if smallest > 0 and not (name == "sign_flip" and n > 16):
        assert p == pytest.approx(smallest)


@pytest.mark.parametrize("name", NAMES)
def test_values_without_any_difference_give_no_p_and_a_reason(name: str) -> None:
    test = registry.load("test", name)
    values = np.ones((8, 2 if test.systems == "two" else 4))
    result = test.run(values, setting())
    assert result.p is None
    assert result.note


@pytest.mark.parametrize("name", [name for name in NAMES if registry.load("test", name).systems == "two"])
def test_one_pair_gives_no_p(name: str) -> None:
    test = registry.load("test", name)
    if test.values == "scores":
        assert test.run(np.array([[0.5, 0.4]]), setting()).p is None
    else:
        assert test.run(np.array([[1.0, 0.0]]), setting()).p == 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_score_never_enters(name: str, bad: float) -> None:
    test = registry.load("test", name)
    values = null_values(test, 0)
    values[3, 0] = bad
    with pytest.raises(ValueError, match="never enters"):
        test.run(values, setting())


@pytest.mark.parametrize("name", NAMES)
def test_values_of_another_shape_are_refused(name: str) -> None:
    test = registry.load("test", name)
    with pytest.raises(ValueError, match=r"shape|three or more"):
        test.run(np.ones((5, 3)) if test.systems == "two" else np.ones((5, 2)), setting())


def test_a_constant_difference_is_called_deterministic() -> None:
    values = np.array([[0.9, 0.8], [0.8, 0.7], [0.3, 0.2]])
    for name in ("paired_t", "sign_flip", "wilcoxon", "corrected_resampled_t"):
        assert registry.load("test", name).run(values, setting()).note == "deterministic: difference = 0.1, no test"


def test_a_random_test_without_a_generator_says_so() -> None:
    with pytest.raises(ValueError, match="needs a generator"):
        registry.load("test", "sign_flip").run(np.random.default_rng(0).normal(size=(20, 2)), Setting())


def test_the_corrected_t_without_the_ratio_says_so() -> None:
    with pytest.raises(ValueError, match="ratio of evaluation to training"):
        registry.load("test", "corrected_resampled_t").run(np.random.default_rng(0).normal(size=(5, 2)), Setting())


def test_an_unknown_test_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(registry.UnknownName, match="did you mean 'wilcoxon'"):
        registry.load("test", "wilcoxn")
