"""Every registered statistical test: symmetric, honest under the null, truthful about its smallest p, safe at edges."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import registry
from analysis.inference.interface import StatisticalTest, TestOptions

NAMES = registry.names("test")
TESTS = {name: registry.load("test", name) for name in NAMES}
WITH_P = [name for name, test in TESTS.items() if test.answer == "p"]
WITH_INTERVAL = [name for name, test in TESTS.items() if test.answer in ("p", "interval")]
DESCRIBED = [name for name, test in TESTS.items() if test.answer == "details"]
RANDOM = ("multi_bootstrap", "bca", "almost_stochastic_order", "bayesian_signed_rank", "interquartile_mean")
NULL_DRAWS = 400
ROPE = 0.3


def options(seed: int = 0) -> TestOptions:
    generator = np.random.default_rng(seed)
    return TestOptions(alpha=0.05, generator=generator, evaluation_to_train=0.25, rope=ROPE, resamples=300)


def size(test: StatisticalTest) -> int:
    """How many systems a test is tried with."""
    return 2 if test.systems == "two" else 4


def null_values(test: StatisticalTest, number: int, n: int = 12) -> np.ndarray:
    """Blocks in which no system is better: equal in distribution, and alike within a block.

    What an equivalence test must not call equivalent is a difference at the edge of the region.
    """
    generator = np.random.default_rng(number)
    if test.values == "hits":
        return generator.integers(0, 2, size=(4 * n, size(test))).astype(float)
    if test.values == "items":
        return generator.normal(size=(40, 1, 2)) + generator.normal(size=(1, n, 2)) + generator.normal(size=(40, n, 2))
    split = generator.normal(0, 0.5) if test.name == "corrected_resampled_t" else 0.0
    own = generator.normal(size=(n, size(test)))
    edge = ROPE * np.array([1.0, 0.0]) if test.name == "tost" else 0.0
    return own + generator.normal(size=(n, 1)) + split * np.arange(size(test)) + edge


@pytest.mark.parametrize("name", NAMES)
def test_a_test_states_what_it_is(name: str) -> None:
    test = TESTS[name]
    assert test.name == name
    assert all((test.title, test.assumes, test.generalises_over, test.source))
    assert test.systems in ("two", "many", "any")
    assert test.values in ("scores", "hits", "items")
    assert test.answer in ("p", "interval", "details")


@pytest.mark.parametrize("name", WITH_INTERVAL)
def test_swapping_the_systems_turns_the_sign_and_keeps_p(name: str) -> None:
    test = TESTS[name]
    for number in range(20):
        values = null_values(test, number)
        forward, backward = test.run(values, options()), test.run(values[..., ::-1], options())
        assert (forward.p is None) == (test.answer == "interval")
        assert forward.p == pytest.approx(backward.p)
        if forward.ci_low is not None:
            assert (forward.ci_low, forward.ci_high) == pytest.approx((-backward.ci_high, -backward.ci_low), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_rows_does_not_matter(name: str) -> None:
    test = TESTS[name]
    values = null_values(test, 7)
    shuffled = np.random.default_rng(1).permutation(values)
    first, second = test.run(values, options()), test.run(shuffled, options())
    tolerance = {"abs": 0.2} if name in RANDOM else {"rel": 1e-9}
    for before, after in ((first.p, second.p), (first.statistic, second.statistic)):
        assert (before is None) == (after is None)
        assert before is None or before == pytest.approx(after, **tolerance)


@pytest.mark.parametrize("name", WITH_P)
def test_equally_good_systems_are_rarely_told_apart(name: str) -> None:
    test = TESTS[name]
    p = np.array([test.run(null_values(test, number), options(number)).p for number in range(NULL_DRAWS)])
    standard_error = np.sqrt(0.05 * 0.95 / NULL_DRAWS)
    assert ((p >= 0) & (p <= 1)).all()
    assert np.mean(p < 0.05) <= 0.05 + 3 * standard_error


@pytest.mark.parametrize("name", sorted(set(WITH_INTERVAL) - set(WITH_P)))
def test_an_interval_without_p_misses_the_truth_as_seldom_as_it_says(name: str) -> None:
    found = [TESTS[name].run(null_values(TESTS[name], number), options(number)) for number in range(NULL_DRAWS)]
    missed = np.mean([not result.ci_low <= 0 <= result.ci_high for result in found])
    assert 0.03 < missed < 0.12
    assert "91%" in TESTS[name].assumes


@pytest.mark.parametrize("name", WITH_P)
@pytest.mark.parametrize("n", [3, 5, 8, 16, 20])
def test_no_data_give_a_p_below_the_stated_smallest(name: str, n: int) -> None:
    test = TESTS[name]
    steps = np.linspace(1.0, 1.5, n)[:, None]
    values = steps * np.arange(size(test))
    if test.values == "hits":
        values = np.tile([1.0, *[0.0] * (size(test) - 1)], (n, 1))
    elif test.values == "items":
        values = np.tile(steps * np.arange(2), (30, 1, 1)) + np.linspace(0, 0.1, 30)[:, None, None] * np.arange(2)
    p, smallest = test.run(values, options()).p, test.smallest_p(n, size(test))
    assert p >= smallest * (1 - 1e-9)
    if smallest > 0 and not (name == "sign_flip" and n > 16):
        assert p == pytest.approx(smallest)


@pytest.mark.parametrize("name", NAMES)
def test_values_without_any_difference_give_no_p_and_a_reason(name: str) -> None:
    test = TESTS[name]
    values = np.ones((8, 6, 2)) if test.values == "items" else np.ones((8, size(test)))
    result = test.run(values, options())
    assert result.p is None
    assert result.note or test.systems == "any"


@pytest.mark.parametrize("name", [name for name, test in TESTS.items() if test.systems == "two"])
def test_one_pair_gives_no_p(name: str) -> None:
    test = TESTS[name]
    if test.values == "hits":
        assert test.run(np.array([[1.0, 0.0]]), options()).p == 1.0
    else:
        one = np.array([[0.5, 0.4]])
        result = test.run(one[None] if test.values == "items" else one, options())
        assert result.p is None
        assert result.note


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_score_never_enters(name: str, bad: float) -> None:
    values = null_values(TESTS[name], 0)
    values[3, ..., 0] = bad
    with pytest.raises(ValueError, match="never enters"):
        TESTS[name].run(values, options())


@pytest.mark.parametrize("name", [name for name, test in TESTS.items() if test.systems != "any"])
def test_values_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"shape|three or more"):
        TESTS[name].run(np.ones((5, 3)) if TESTS[name].systems == "two" else np.ones((5, 2)), options())


@pytest.mark.parametrize("name", DESCRIBED)
def test_details_are_finite_and_the_same_again(name: str) -> None:
    values = null_values(TESTS[name], 3)
    first, second = (TESTS[name].run(values, options()) for _ in range(2))
    assert first == second
    assert first.p is None
    for detail in first.details.values():
        assert np.isfinite(detail).all()


@pytest.mark.parametrize("name", [name for name in DESCRIBED if TESTS[name].systems == "any"])
def test_a_description_treats_every_system_alike(name: str) -> None:
    values = null_values(TESTS[name], 3)
    forward, backward = TESTS[name].run(values, options()), TESTS[name].run(values[:, ::-1], options())
    for key, detail in forward.details.items():
        if len(detail) == values.shape[1]:
            assert np.array(detail)[::-1] == pytest.approx(np.array(backward.details[key]))


def test_a_constant_difference_is_called_deterministic() -> None:
    values = np.array([[0.9, 0.8], [0.8, 0.7], [0.3, 0.2]])
    for name in ("paired_t", "wilcoxon", "corrected_resampled_t", "tost", "bca", "bayesian_signed_rank"):
        assert TESTS[name].run(values, options()).note == "deterministic: difference = 0.1, no test"


def test_a_constant_difference_of_scores_that_vary_has_the_smallest_p_of_flipped_signs() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.5, 0.4, 0.7, 0.6, 0.2])
    values = np.stack([scores, scores - 0.1], axis=1)
    assert TESTS["sign_flip"].run(values, options()).p == 2 / 2**8
    assert TESTS["sign_flip"].run(values[:3], options()).p == 0.25
    repeated = np.tile([0.9, 0.8], (8, 1))  # seeds without any effect: one observation, repeated
    assert TESTS["sign_flip"].run(repeated, options()).note == "deterministic: difference = 0.1, no test"


@pytest.mark.parametrize("name", ["sign_flip", *RANDOM])
def test_a_random_test_without_a_generator_says_so(name: str) -> None:
    values = np.random.default_rng(0).normal(size=(20, 5, 2) if name == "multi_bootstrap" else (20, 2))
    with pytest.raises(ValueError, match="needs a generator"):
        TESTS[name].run(values, TestOptions())


def test_the_corrected_t_without_the_ratio_says_so() -> None:
    with pytest.raises(ValueError, match="ratio of evaluation to training"):
        TESTS["corrected_resampled_t"].run(np.random.default_rng(0).normal(size=(5, 2)), TestOptions())


def test_equivalence_without_a_region_says_what_is_missing() -> None:
    result = TESTS["tost"].run(np.random.default_rng(0).normal(size=(5, 2)), TestOptions())
    assert (result.p, result.note) == (None, "needs a region of practical equivalence (compare.rope)")


def test_an_unknown_test_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(registry.UnknownName, match="did you mean 'wilcoxon'"):
        registry.load("test", "wilcoxn")
