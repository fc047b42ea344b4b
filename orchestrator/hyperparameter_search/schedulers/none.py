"""No early stopping: every trial runs all its epochs."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.hyperparameter_search.schedulers import Rules, TrialDecision
from orchestrator.hyperparameter_search.trial import Trial

WAITS = False


def decide(trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
    """Always go on."""
    return "continue"
