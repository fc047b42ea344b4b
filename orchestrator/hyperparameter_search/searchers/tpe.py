"""The tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), as Optuna implements it.

Optuna keeps no state for us: its study is built anew from the trials for every proposal. Trials under way count as
bad ones meanwhile (constant liar), pruned ones with what they reached, diverged and failed ones as the worst.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.config.search import Distribution
from orchestrator.hyperparameter_search.searchers import Values, random
from orchestrator.hyperparameter_search.trial import Trial

DRAWN_AT_FIRST = 5
LARGEST_SEED = 2**32


def propose(
    parameters: Mapping[str, Distribution], trials: Mapping[int, Trial], number: int, seed: int
) -> Values | None:
    """Values that were not tried; where the estimator repeats itself, a random draw. None where that does, too."""
    distributions = {key: _distribution(found) for key, found in parameters.items()}
    study = _study((seed * 1_000_003 + number) % LARGEST_SEED)
    for trial in trials.values():
        if all(found.contains(trial.values.get(key)) for key, found in parameters.items()):
            study.add_trial(_told(trial, parameters, distributions))
    asked = study.ask(distributions)
    values = {key: _value(found, asked.params[key]) for key, found in parameters.items()}
    if values in [trial.values for trial in trials.values()]:
        return random.propose(parameters, trials, number, seed)
    return values


def _study(seed: int) -> optuna.Study:
    """In memory and silent: Optuna writes a line for every study otherwise."""
    logging.getLogger("optuna").setLevel(logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=DRAWN_AT_FIRST, constant_liar=True)
    return optuna.create_study(direction="maximize", sampler=sampler)


def _told(
    trial: Trial, parameters: Mapping[str, Distribution], distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    """A trial as Optuna knows it."""
    params = {key: _parameter(found, trial.values[key]) for key, found in parameters.items()}
    scores = {epoch: score for epoch, score in trial.scores.items() if math.isfinite(score)}
    if trial.result is not None and math.isfinite(trial.result):
        return create_trial(params=params, distributions=distributions, value=trial.result, intermediate_values=scores)
    if not trial.is_over:
        return create_trial(
            params=params, distributions=distributions, state=TrialState.RUNNING, intermediate_values=scores
        )
    reached = scores if trial.state == "pruned" else {}
    return create_trial(
        params=params, distributions=distributions, state=TrialState.PRUNED, intermediate_values=reached
    )


def _distribution(found: Distribution) -> BaseDistribution:
    """Choices stand for their place, because Optuna knows plain values only."""
    if found.choice is not None:
        return CategoricalDistribution(range(len(found.choice)))
    low, high = found.edges
    return IntDistribution(low, high) if found.integer else FloatDistribution(low, high, log=found.kind == "loguniform")


def _parameter(found: Distribution, value: Any) -> Any:
    return value if found.choice is None else found.choice.index(value)


def _value(found: Distribution, parameter: Any) -> Any:
    if found.choice is not None:
        return found.choice[parameter]
    return parameter if found.integer is not None else random.rounded(parameter, *found.edges)
