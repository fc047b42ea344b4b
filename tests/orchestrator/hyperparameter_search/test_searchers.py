"""Who proposes values: always within the ranges, never the same twice, and the same again from the same history."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orchestrator.config.search import Distribution, load, names
from orchestrator.hyperparameter_search.trial import Trial

RANGES = {
    "train.learning_rate": Distribution(loguniform=(1e-5, 1e-1)),
    "train.weight_decay": Distribution(uniform=(0.0, 0.1)),
    "train.batch_size": Distribution(choice=(8, 16, 32)),
    "train.epochs": Distribution(integer=(1, 4)),
}
COUNTABLE = {"train.batch_size": Distribution(choice=(8, 16)), "train.epochs": Distribution(integer=(1, 3))}


def score(values: dict[str, Any]) -> float:
    """Best at a learning rate of 1e-3, batches of 16 and no weight decay."""
    return -((math.log10(values["train.learning_rate"]) + 3) ** 2) - (values["train.batch_size"] != 16)


def explored(name: str, parameters: dict[str, Distribution], number: int, seed: int = 0) -> dict[int, Trial]:
    """As many trials as asked for, one after another, each run to its end."""
    trials: dict[int, Trial] = {}
    for trial in range(1, number + 1):
        values = load("searcher", name).propose(parameters, trials, trial, seed)
        if values is None:
            break
        reached = score(values) if "train.learning_rate" in values else 0.0
        trials[trial] = Trial(trial, values, "completed", {1: reached})
    return trials


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_proposals_lie_in_their_ranges_and_differ(name: str) -> None:
    found = explored(name, RANGES, 12)
    assert len(found) == 12
    assert all(RANGES[key].contains(value) for trial in found.values() for key, value in trial.values.items())
    assert len({str(trial.values) for trial in found.values()}) == 12


@pytest.mark.parametrize("name", names("searcher"))
def test_the_same_history_gives_the_same_proposal(name: str) -> None:
    history = explored(name, COUNTABLE, 3)
    once, twice = (load("searcher", name).propose(COUNTABLE, history, 4, 7) for _ in range(2))
    assert once == twice
    assert once is not None


@pytest.mark.parametrize("name", names("searcher"))
def test_every_combination_comes_once_and_then_there_is_nothing_left(name: str) -> None:
    found = explored(name, COUNTABLE, 20)
    assert sorted((t.values["train.batch_size"], t.values["train.epochs"]) for t in found.values()) == [
        (8, 1),
        (8, 2),
        (8, 3),
        (16, 1),
        (16, 2),
        (16, 3),
    ]


def test_another_seed_gives_other_proposals() -> None:
    first, second = (explored("random", RANGES, 3, seed) for seed in (0, 1))
    assert [trial.values for trial in first.values()] != [trial.values for trial in second.values()]


def test_the_estimator_finds_better_values_than_chance() -> None:
    means = {}
    for name in ("random", "tpe"):
        best = [max(t.result or -math.inf for t in explored(name, RANGES, 25, seed).values()) for seed in range(4)]
        means[name] = sum(best) / len(best)
    assert means["tpe"] > means["random"]


def test_the_estimator_takes_trials_of_every_state_and_values_outside_the_ranges() -> None:
    values = [draw.values for draw in explored("random", RANGES, 6).values()]
    history = {
        1: Trial(1, {**values[0], "train.learning_rate": 0.5}, "completed", {1: 0.9}),
        2: Trial(2, values[1], "running", {1: 0.2}),
        3: Trial(3, values[2], "pruned", {1: 0.1}),
        4: Trial(4, values[3], "diverged", {1: math.nan}),
        5: Trial(5, values[4], "failed"),
        6: Trial(6, values[5], "collapsed", {1: 0.0}),
    }
    assert load("searcher", "tpe").propose(RANGES, history, 7, 0) is not None
