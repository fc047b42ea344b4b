"""The median stopping rule (Golovin et al., KDD 2017, section 3.2.2).

A trial ends after an epoch if its best score so far is below the median of the others' running averages up to that
epoch. This needs at least `FEWEST` others that have come as far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median

from orchestrator.hyperparameter_search.schedulers import Rules, TrialDecision
from orchestrator.hyperparameter_search.trial import Trial

FEWEST = 3
WAITS = False


def decide(trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
    """Judge a trial after every epoch from `min_epochs` on, except its last."""
    trial = trials[number]
    epoch = trial.epoch
    if epoch < rules.min_epochs or epoch >= rules.epochs:
        return "continue"
    others = [other for key, other in trials.items() if key != number and epoch in other.scores]
    averages = [_average(other, epoch) for other in others]
    if len(averages) < FEWEST:
        return "continue"
    best = max((score for score in trial.scores.values() if not math.isnan(score)), default=-math.inf)
    return "prune" if best < median(averages) else "continue"


def _average(trial: Trial, epoch: int) -> float:
    """Return the mean of a trial's scores up to an epoch; -inf if one of them is not a number."""
    scores = [score for at, score in trial.scores.items() if at <= epoch]
    return -math.inf if any(math.isnan(score) for score in scores) else fmean(scores)
