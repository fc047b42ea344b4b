"""Asynchronous successive halving (Li et al., MLSys 2020, algorithm 2): a trial goes on when it is among the best.

At a rung, one in `reduction_factor` of the trials that have arrived so far may go on, by score; the others wait there
with a checkpoint. Each trial that arrives can make room for one that waits. When no other trial can arrive, the rest
end, except that the best one always goes on. No trial waits for a whole cohort; the price is that some go on that would
not have, had all scores been known. On warm lanes a pause costs little; `asha_stopping`, which never pauses, lets more
trials through.
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
    arrived = [other for other in trials if not math.isnan(trials[other].scores.get(rung, math.nan))]
    ranked = sorted(arrived, key=lambda other: (-trials[other].scores[rung], other))
    is_closed = not _can_come(trials, rung, rules)
    room = len(ranked) // rules.reduction_factor
    if number in ranked[: max(1, room) if is_closed else room]:
        return "continue"
    return "prune" if is_closed else "wait"


def _can_come(trials: Mapping[int, Trial], rung: int, rules: Rules) -> bool:
    """Return whether another trial may still arrive at the rung: one not proposed yet, or one on its way there."""
    if len(trials) < rules.trials:
        return True
    return any(not trial.is_over and rung not in trial.scores for trial in trials.values())
