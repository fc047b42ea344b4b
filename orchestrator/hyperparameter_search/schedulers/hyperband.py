"""Hyperband (Li et al., JMLR 2018): cohorts of trials that wait for each other at every rung, where the best go on.

Brackets trade many short trials for few long ones. With R epochs, factor eta and m = floor(log_eta(R / min_epochs)),
bracket s = m, ..., 0 begins with ceil((m + 1) / (s + 1) * eta^s) trials and has its first rung at R * eta^-s epochs.
Trials fill the brackets in the order of their numbers, again and again; the last cohort may be smaller.
A trial that waits has a checkpoint and no record: it has not ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.hyperparameter_search.schedulers import Rules, TrialDecision
from orchestrator.hyperparameter_search.trial import Trial

WAITS = True


@dataclass(frozen=True)
class Bracket:
    """`size` trials, and the epochs after which they are compared."""

    size: int
    rungs: tuple[int, ...]


def brackets(rules: Rules) -> tuple[Bracket, ...]:
    """Return the brackets, from the one with the most and shortest trials to the one without a rung."""
    eta = rules.reduction_factor
    most = max(0, math.floor(math.log(rules.epochs / rules.min_epochs, eta) + 1e-9))
    result = []
    for power in range(most, -1, -1):
        size = math.ceil((most + 1) / (power + 1) * eta**power)
        rungs = (int(rules.epochs / eta**step + 1e-9) for step in range(power, 0, -1))
        result.append(Bracket(size, tuple(dict.fromkeys(max(1, rung) for rung in rungs))))
    return tuple(result)


def cohort(number: int, rules: Rules) -> tuple[Bracket, range]:
    """Return the bracket of a trial, and the numbers of all trials that it is compared with."""
    first = 1
    while True:
        for bracket in brackets(rules):
            after = first + bracket.size
            if number < after:
                return bracket, range(first, min(after, rules.trials + 1))
            first = after


def decide(trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
    """Wait at a rung until every trial of the cohort that is still in the race is there; then the best go on."""
    bracket, alive = cohort(number, rules)
    reached = trials[number].epoch
    members: Sequence[int] = alive
    for rung in bracket.rungs:
        if rung > reached:
            return "continue"
        if not all(_has_arrived(trials.get(member), rung) for member in members):
            return "wait" if reached == rung or trials[number].state == "waiting" else "continue"
        members = _best(trials, members, rung, rules.reduction_factor)
        if number not in members:
            return "prune"
    return "continue"


def _has_arrived(trial: Trial | None, rung: int) -> bool:
    return trial is not None and (trial.is_over or rung in trial.scores)


def _best(trials: Mapping[int, Trial], members: Sequence[int], rung: int, eta: int) -> list[int]:
    """Return the best one in `eta` members, at least one, by score at the rung; the earlier trial wins a tie."""
    arrived = [member for member in members if not math.isnan(trials[member].scores.get(rung, math.nan))]
    ranked = sorted(arrived, key=lambda member: (-trials[member].scores[rung], member))
    return ranked[: max(1, len(members) // eta)]
