"""Asynchronous successive halving that never pauses a trial, as in Ray Tune (Li et al., MLSys 2020).

A trial that reaches a rung goes on when its score is at least the (1 - 1/reduction factor) quantile of the scores that
others reached there before it; the first one at a rung goes on. The cut is that of Ray Tune's AsyncHyperBandScheduler
with one bracket, and tests compare the two; a score that is not a number is never good enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from orchestrator.hyperparameter_search.schedulers import Rules, TrialDecision
from orchestrator.hyperparameter_search.trial import Trial

WAITS = False


def decide(trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
    """Judge a trial that has just reached a rung."""
    trial = trials[number]
    rung = trial.epoch
    if rung not in rules.rungs:
        return "continue"
    score = trial.scores[rung]
    if math.isnan(score):
        return "prune"
    others = [trial.scores[rung] for other, trial in trials.items() if other != number and rung in trial.scores]
    known = [other for other in others if not math.isnan(other)]
    if not known:
        return "continue"
    return "continue" if score >= np.quantile(known, 1 - 1 / rules.reduction_factor) else "prune"
