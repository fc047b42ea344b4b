"""Which trials go on: known cases, brackets as in the paper, and the same answers as Ray Tune's own ASHA."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.schedulers.trial_scheduler import TrialScheduler

from orchestrator.config.search import load, names
from orchestrator.hyperparameter_search.schedulers import Rules, asha, asha_stopping, hyperband, median
from orchestrator.hyperparameter_search.trial import Trial


def curve(number: int, *scores: float, state: Any = "running") -> Trial:
    return Trial(number, {}, state, dict(enumerate(scores, start=1)))


def trials(*found: Trial) -> dict[int, Trial]:
    return {trial.number: trial for trial in found}


RULES = Rules(epochs=9, trials=9, reduction_factor=3, min_epochs=1, rungs=(1, 3))


def test_the_first_trial_at_a_rung_goes_on_and_a_worse_one_ends() -> None:
    assert asha_stopping.decide(trials(curve(1, 0.2)), 1, RULES) == "continue"
    assert asha_stopping.decide(trials(curve(1, 0.2), curve(2, 0.1)), 2, RULES) == "prune"
    assert asha_stopping.decide(trials(curve(1, 0.2), curve(2, 0.2)), 2, RULES) == "continue"


def test_between_rungs_nobody_is_judged() -> None:
    assert asha_stopping.decide(trials(curve(1, 0.9, 0.9), curve(2, 0.1, 0.1)), 2, RULES) == "continue"


def test_a_score_that_is_no_number_never_goes_on_and_never_blocks() -> None:
    assert asha.decide(trials(curve(1, math.nan)), 1, RULES) == "prune"
    assert asha_stopping.decide(trials(curve(1, math.nan)), 1, RULES) == "prune"
    assert asha_stopping.decide(trials(curve(1, math.nan, state="pruned"), curve(2, 0.1)), 2, RULES) == "continue"
    cohort = trials(*(curve(number, math.nan if number == 1 else number / 10) for number in range(1, 10)))
    assert hyperband.decide(cohort, 1, RULES) == "prune"
    assert hyperband.decide(cohort, 9, RULES) == "continue"


def test_asha_without_pauses_decides_as_ray_tune_does() -> None:
    """Trials in a random order of arrival, with Tune's scheduler told the same results in the same order."""
    generator = np.random.default_rng(3)
    for _ in range(30):
        tuned = AsyncHyperBandScheduler(
            time_attr="epoch", metric="score", mode="max", max_t=9, grace_period=1, reduction_factor=3
        )
        alive, known = list(range(1, 13)), trials(*(curve(number) for number in range(1, 13)))
        handles = {number: _Handle(str(number)) for number in alive}
        for handle in handles.values():
            tuned.on_trial_add(None, handle)  # type: ignore[arg-type]
        while alive:
            number = int(generator.choice(alive))
            epoch, score = known[number].epoch + 1, float(generator.normal())
            known[number] = curve(number, *known[number].scores.values(), score)
            theirs = tuned.on_trial_result(None, handles[number], {"epoch": epoch, "score": score})  # type: ignore[arg-type]
            ours = asha_stopping.decide(known, number, RULES)
            if epoch == RULES.epochs:
                alive.remove(number)
                continue
            assert (ours == "prune") == (theirs == TrialScheduler.STOP), (number, epoch)
            if ours == "prune":
                alive.remove(number)


class _Handle:
    """All that Tune's scheduler looks at of a trial."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


def test_one_of_three_at_a_rung_goes_on_and_the_others_wait_for_more() -> None:
    two = trials(curve(1, 0.2), curve(2, 0.4))
    assert [asha.decide(two, number, RULES) for number in (1, 2)] == ["wait", "wait"]
    three = {**two, 3: curve(3, 0.3)}
    assert [asha.decide(three, number, RULES) for number in (1, 2, 3)] == ["wait", "continue", "wait"]
    six = {**three, **trials(curve(4, 0.1), curve(5, 0.1), curve(6, 0.5))}
    assert [number for number in six if asha.decide(six, number, RULES) == "continue"] == [2, 6]
    better = {**six, **trials(curve(7, 0.9), curve(8, 0.9), curve(9, 0.1))}
    assert asha.decide(better, 2, RULES) == "prune", "all nine have come, and three others are better"
    assert [number for number in better if asha.decide(better, number, RULES) == "continue"] == [6, 7, 8]


def test_when_nobody_else_can_come_the_best_goes_on_however_few_there_are() -> None:
    rules = Rules(epochs=9, trials=2, reduction_factor=3, rungs=(1, 3))
    both = trials(curve(1, 0.2, state="waiting"), curve(2, 0.1))
    assert [asha.decide(both, number, rules) for number in (1, 2)] == ["continue", "prune"]
    alone = trials(curve(1, 0.2, 0.3, 0.4), curve(2, 0.1, state="pruned"))
    assert asha.decide(alone, 1, rules) == "continue"


def test_hardly_more_than_one_of_three_trials_passes_a_rung() -> None:
    """27 trials in a random order, one lane; those that know all scores beforehand would let nine and three through."""
    generator, rules = np.random.default_rng(5), Rules(9, 27, 3, 1, (1, 3))
    known: dict[int, Trial] = {}
    for _ in range(1000):
        ready = [number for number, found in known.items() if not found.is_over]
        ready = [number for number in ready if asha.decide(known, number, rules) != "wait"]
        if not ready and len(known) == 27:
            break
        number = ready[0] if ready else len(known) + 1
        if number in known and asha.decide(known, number, rules) == "prune":
            known[number] = curve(number, *known[number].scores.values(), state="pruned")
            continue
        scores = [*(known[number].scores.values() if number in known else ()), float(generator.normal())]
        known[number] = curve(number, *scores, state="completed" if len(scores) == 9 else "running")
    assert all(found.is_over for found in known.values())
    reached = {epoch: sum(found.epoch >= epoch for found in known.values()) for epoch in (1, 2, 4)}
    assert reached[1] == 27
    assert 9 <= reached[2] <= 14
    assert 3 <= reached[4] <= 6


def test_the_median_rule_compares_with_running_averages_of_at_least_three_others() -> None:
    others = [curve(1, 0.4, 0.6), curve(2, 0.2, 0.4), curve(3, 0.6, 0.8)]  # averages .5, .3, .7: median .5
    assert median.decide(trials(*others[:2], curve(4, 0.1, 0.1)), 4, RULES) == "continue"
    assert median.decide(trials(*others, curve(4, 0.1, 0.49)), 4, RULES) == "prune"
    assert median.decide(trials(*others, curve(4, 0.5, 0.1)), 4, RULES) == "continue"
    patient = Rules(epochs=9, trials=9, min_epochs=3)
    assert median.decide(trials(*others, curve(4, 0.1, 0.1)), 4, patient) == "continue"


def test_brackets_are_those_of_the_paper() -> None:
    """Table 1 of Li et al. (2018): R = 81, eta = 3."""
    found = hyperband.brackets(Rules(epochs=81, trials=500, reduction_factor=3))
    assert [bracket.size for bracket in found] == [81, 34, 15, 8, 5]
    assert [bracket.rungs for bracket in found] == [(1, 3, 9, 27), (3, 9, 27), (9, 27), (27,), ()]


def test_a_cohort_waits_until_all_are_there_and_the_best_third_goes_on() -> None:
    rules = Rules(epochs=3, trials=5, reduction_factor=3)  # brackets of 3 (rung 1) and 2 (none)
    assert hyperband.cohort(3, rules) == (hyperband.Bracket(3, (1,)), range(1, 4))
    assert hyperband.cohort(5, rules) == (hyperband.Bracket(2, ()), range(4, 6))
    two = trials(curve(1, 0.3, state="waiting"), curve(2, 0.5))
    assert hyperband.decide(two, 2, rules) == "wait"
    assert hyperband.decide(two, 1, rules) == "wait"
    three = {**two, 3: curve(3, 0.4)}
    assert [hyperband.decide(three, number, rules) for number in (1, 2, 3)] == ["prune", "continue", "prune"]
    assert hyperband.decide(trials(curve(4, 0.0)), 4, rules) == "continue"


def test_a_trial_that_ended_badly_does_not_hold_up_its_cohort() -> None:
    rules = Rules(epochs=3, trials=3, reduction_factor=3)
    for state in ("diverged", "failed", "pruned"):
        found = trials(curve(1, state=state), curve(2, 0.1, state="waiting"), curve(3, 0.2))
        assert [hyperband.decide(found, number, rules) for number in (2, 3)] == ["prune", "continue"]


def test_a_last_cohort_is_as_large_as_the_budget_leaves_it() -> None:
    rules = Rules(epochs=3, trials=2, reduction_factor=3)
    found = trials(curve(1, 0.1, state="waiting"), curve(2, 0.2))
    assert [hyperband.decide(found, number, rules) for number in (1, 2)] == ["prune", "continue"]


@pytest.mark.parametrize("name", names("scheduler"))
def test_every_scheduler_lets_some_trial_reach_the_end(name: str) -> None:
    """Trials report in turn until all are over; whatever is decided, somebody completes and nobody waits for ever."""
    rules, scheduler = Rules(9, 9, 3, 1, (1, 3)), load("scheduler", name)
    known: dict[int, Trial] = {}
    for number in range(1, 10):
        known[number] = curve(number)
    for _ in range(100):
        for number in [number for number, trial in known.items() if not trial.is_over]:
            known[number] = _step(scheduler, known, number, rules)
    states = [trial.state for trial in known.values()]
    assert "completed" in states
    assert set(states) <= {"completed", "pruned"}


def _step(scheduler: Any, known: Mapping[int, Trial], number: int, rules: Rules) -> Trial:
    trial = known[number]
    decision = scheduler.decide(known, number, rules)
    if decision == "prune":
        return curve(number, *trial.scores.values(), state="pruned")
    if decision == "wait":
        return curve(number, *trial.scores.values(), state="waiting")
    scores = [*trial.scores.values(), number / 10]
    return curve(number, *scores, state="completed" if len(scores) == rules.epochs else "running")
