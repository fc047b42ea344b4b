"""Every combination of choices and integers, the last parameter varying fastest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from orchestrator.config.search import Distribution
from orchestrator.hyperparameter_search.searchers import Values
from orchestrator.hyperparameter_search.trial import Trial


def propose(
    parameters: Mapping[str, Distribution], trials: Mapping[int, Trial], number: int, seed: int
) -> Values | None:
    """Return the first combination that was not tried; None after the last one."""
    tried = [trial.values for trial in trials.values()]
    combinations = itertools.product(*(distribution.values or () for distribution in parameters.values()))
    named = (dict(zip(parameters, combination, strict=True)) for combination in combinations)
    return next((values for values in named if values not in tried), None)
