"""Asynchronous successive halving (Li et al., MLSys 2020, algorithm 2): a trial goes on when it is among the best.

At a rung, one trial of `reduction_factor` may go on, by score, out of those that have come so far; the others wait
there with a checkpoint. Each trial that arrives can make room for one that waits. When nobody else can come, the rest
ends; the best one always goes on. Nobody waits for a whole cohort, at the price of some trials that would not have gone
on had all been known. On warm lanes a pause costs little; `asha_stopping`, which never pauses, lets more through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from orchestrator.hyperparameter_search.schedulers import Rules, TrialDecision
from orchestrator.hyperparameter_search.trial import Trial

WAITS = True


def decide(trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
    """Judge a trial at the last rung that it has reached."""
    trial = trials[number]
    rung = max((rung for rung in rules.rungs if rung <= trial.epoch), default=None)
    if rung is None or rung < trial.epoch:
        return "continue"
    if math.isnan(trial.scores.get(rung, math.nan)):
        return "prune"
    there = [other for other, found in trials.items() if not math.isnan(found.scores.get(rung, math.nan))]
    ranked = sorted(there, key=lambda other: (-trials[other].scores[rung], other))
    is_closed = not _can_come(trials, rung, rules)
    room = len(ranked) // rules.reduction_factor
    if number in ranked[: max(1, room) if is_closed else room]:
        return "continue"
    return "prune" if is_closed else "wait"


def _can_come(trials: Mapping[int, Trial], rung: int, rules: Rules) -> bool:
    """Whether another trial may still arrive at the rung: one that is not proposed yet, or one on its way there."""
    if len(trials) < rules.trials:
        return True
    return any(not found.is_over and rung not in found.scores for found in trials.values())
