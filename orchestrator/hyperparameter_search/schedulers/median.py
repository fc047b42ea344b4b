"""The median stopping rule (Golovin et al., KDD 2017, section 3.2.2).

A trial ends after an epoch when its best score so far is below the median of the others' running averages up to that
epoch. It needs `FEWEST` others that have come as far.
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
    """Judge a trial after any epoch from `min_epochs` on, but for its last."""
    trial = trials[number]
    epoch = trial.epoch
    if epoch < rules.min_epochs or epoch >= rules.epochs:
        return "continue"
    averages = [_average(found, epoch) for other, found in trials.items() if other != number and epoch in found.scores]
    if len(averages) < FEWEST:
        return "continue"
    best = max((score for score in trial.scores.values() if not math.isnan(score)), default=-math.inf)
    return "prune" if best < median(averages) else "continue"


def _average(trial: Trial, epoch: int) -> float:
    """Mean of a trial's scores up to an epoch; one that is not a number makes it as bad as can be."""
    scores = [score for at, score in trial.scores.items() if at <= epoch]
    return -math.inf if any(math.isnan(score) for score in scores) else fmean(scores)
