"""Independent draws from the distributions (Bergstra & Bengio, JMLR 2012)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.config.search import Distribution
from orchestrator.hyperparameter_search.searchers import Values
from orchestrator.hyperparameter_search.trial import Trial

ATTEMPTS = 100


def propose(
    parameters: Mapping[str, Distribution], trials: Mapping[int, Trial], number: int, seed: int
) -> Values | None:
    """Draw values that were not tried; None if `ATTEMPTS` draws were all tried before."""
    generator = np.random.default_rng([seed, number])
    tried = [trial.values for trial in trials.values()]
    for _ in range(ATTEMPTS):
        values = {key: draw(distribution, generator) for key, distribution in parameters.items()}
        if values not in tried:
            return values
    return None


def draw(distribution: Distribution, generator: np.random.Generator) -> Any:
    """Draw one value. Numbers are rounded to six significant digits, so that they can be written down exactly."""
    if distribution.choice is not None:
        return distribution.choice[int(generator.integers(len(distribution.choice)))]
    low, high = distribution.edges
    if distribution.integer is not None:
        return int(generator.integers(low, high, endpoint=True))
    if distribution.loguniform is not None:
        return rounded(math.exp(generator.uniform(math.log(low), math.log(high))), low, high)
    return rounded(float(generator.uniform(low, high)), low, high)


def rounded(value: float, low: float, high: float) -> float:
    """Round to six significant digits, within `low` and `high`."""
    return min(max(float(f"{value:.6g}"), low), high)
