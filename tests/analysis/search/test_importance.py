"""Importance of parameters and the expected best trial: against enumeration, a library, and cases without an answer."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from analysis.search.importance import Importance, adjusted, explained, importance, ranks_of_trials
from analysis.search.settings import Parameter
from analysis.search.summary import expected_best

NUMBER, CHOICE = Parameter("x", "linear"), Parameter("x", "choice")


def of(parameter: Parameter, values: list[float] | np.ndarray, scores: list[float] | np.ndarray) -> Importance:
    ranks = pd.Series(scores, dtype=float).rank()
    return importance(parameter, pd.Series(values), ranks, 0.05, np.random.default_rng(0))


@pytest.mark.parametrize("scores", [[3.0, 1.0, 2.0], [1.0, 1.0, 4.0, 2.0, 2.5], [0.5]])
def test_the_expected_best_is_the_mean_over_all_subsets(scores: list[float]) -> None:
    by_hand = [np.mean([max(drawn) for drawn in itertools.combinations(scores, k)]) for k in range(1, len(scores) + 1)]
    assert expected_best(np.array(scores)) == pytest.approx(by_hand)


def test_the_expected_best_of_many_trials_stays_exact() -> None:
    found = expected_best(np.arange(1.0, 1001.0))
    assert found == pytest.approx([k * 1001 / (k + 1) for k in range(1, 1001)])  # order statistics of 1 .. n


def test_the_explained_share_is_that_of_a_regression_on_rank_and_squared_rank() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=30)
    y = 0.8 * x + generator.normal(size=30)
    ranks, target = pd.Series(x).rank().to_numpy(), pd.Series(y).rank().to_numpy()
    design = np.stack([ranks, ranks**2], axis=1)
    library = LinearRegression().fit(design, target).score(design, target)
    assert explained(design[None], target[None])[0] == pytest.approx(library)
    assert of(NUMBER, x, y).share == pytest.approx(1 - (1 - library) * 29 / 27)


def test_a_choice_is_explained_by_its_group_means() -> None:
    sizes, scores = [8, 16, 32] * 4, [1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12]
    between, total = 4 * ((2.5 - 6.5) ** 2 + 0 + (10.5 - 6.5) ** 2), 143.0
    assert of(CHOICE, sizes, scores).share == pytest.approx(float(adjusted(np.array([between / total]), 12, 2)[0]))


def test_an_optimum_inside_the_range_and_any_monotone_scale_of_it_are_seen() -> None:
    x = np.linspace(-1, 1, 21)
    inside = of(NUMBER, x, -(x**2))
    assert inside.share is not None
    assert inside.share > 0.9
    assert of(NUMBER, np.exp(9 * x), -(x**2)) == inside


def test_an_unrelated_parameter_explains_about_nothing_and_its_interval_says_so() -> None:
    generator = np.random.default_rng(11)
    found = [of(NUMBER, generator.normal(size=24), generator.normal(size=24)) for _ in range(40)]
    assert np.mean([one.share for one in found]) < 0.1
    assert np.mean([one.low == 0.0 for one in found]) >= 0.9


@pytest.mark.parametrize(
    ("parameter", "values", "scores", "note"),
    [
        (NUMBER, [1.0] * 9, list(range(9)), "fewer than 10 trials"),
        (NUMBER, [1.0] * 12, list(range(12)), "one value only"),
        (NUMBER, list(range(12)), [0.5] * 12, "all scores are the same"),
        (CHOICE, list(range(12)), list(range(12)), "12 trials for 12 choices"),
    ],
)
def test_where_trials_cannot_tell_there_is_a_reason_and_no_number(
    parameter: Parameter, values: list[float], scores: list[float], note: str
) -> None:
    found = of(parameter, values, scores)
    assert (found.share, found.low, found.high, found.note) == (None, None, None, note)


def test_diverged_trials_share_the_last_rank_and_failed_ones_have_none() -> None:
    trials = pd.DataFrame(
        {
            "status": ["completed", "pruned", "diverged", "diverged", "failed", "pending"],
            "reached": [0.7, 0.4, None, None, None, None],
        }
    )
    assert ranks_of_trials(trials, "maximize").fillna(0).tolist() == [4, 3, 1.5, 1.5, 0, 0]
    assert ranks_of_trials(trials, "minimize").fillna(0).tolist() == [3, 4, 1.5, 1.5, 0, 0]
