"""Asynchronous successive halving in the form that never pauses a trial, as Ray Tune has it (Li et al., MLSys 2020).

A trial that reaches a rung goes on when its score is at least the (1 - 1/reduction factor) quantile of the scores that
others reached there before it; the first one at a rung goes on. The same cut as Ray Tune's AsyncHyperBandScheduler
with one bracket, with which the tests compare it; a score that is not a number is never good enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from orchestrator.hyperparameter_search.schedulers import Rules, TrialDecision
from orchestrator.hyperparameter_search.trial import Trial

WAITS = False


def decide(trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
    """Judge a trial where it has just reached a rung."""
    trial = trials[number]
    rung = trial.epoch
    if rung not in rules.rungs:
        return "continue"
    score = trial.scores[rung]
    if math.isnan(score):
        return "prune"
    others = [found.scores[rung] for other, found in trials.items() if other != number and rung in found.scores]
    known = [found for found in others if not math.isnan(found)]
    if not known:
        return "continue"
    return "continue" if score >= np.quantile(known, 1 - 1 / rules.reduction_factor) else "prune"
