"""The tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), as Optuna implements it.

Optuna keeps no state for us: its study is rebuilt from the trials for every proposal. Running trials count as bad ones
meanwhile (constant liar), pruned ones with the scores they reached, diverged and failed ones as the worst.
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
    """Propose values that were not tried: a random draw if the estimator repeats itself, None if that does, too."""
    distributions = {key: _distribution(parameter) for key, parameter in parameters.items()}
    study = _study((seed * 1_000_003 + number) % LARGEST_SEED)
    for trial in trials.values():
        if all(parameter.contains(trial.values.get(key)) for key, parameter in parameters.items()):
            study.add_trial(_frozen(trial, parameters, distributions))
    proposed = study.ask(distributions).params
    values = {key: _value(parameter, proposed[key]) for key, parameter in parameters.items()}
    if values in [trial.values for trial in trials.values()]:
        return random.propose(parameters, trials, number, seed)
    return values


def _study(seed: int) -> optuna.Study:
    """Create a study in memory, silently: otherwise Optuna logs a line for every study."""
    logging.getLogger("optuna").setLevel(logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=DRAWN_AT_FIRST, constant_liar=True)
    return optuna.create_study(direction="maximize", sampler=sampler)


def _frozen(
    trial: Trial, parameters: Mapping[str, Distribution], distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    """Return a trial as Optuna has it."""
    params = {key: _value_for_optuna(parameter, trial.values[key]) for key, parameter in parameters.items()}
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


def _distribution(parameter: Distribution) -> BaseDistribution:
    """Return Optuna's distribution. Choices become their positions, because Optuna knows plain values only."""
    if parameter.choice is not None:
        return CategoricalDistribution(range(len(parameter.choice)))
    low, high = parameter.edges
    if parameter.integer:
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=parameter.kind == "loguniform")


def _value_for_optuna(parameter: Distribution, value: Any) -> Any:
    return value if parameter.choice is None else parameter.choice.index(value)


def _value(parameter: Distribution, proposed: Any) -> Any:
    if parameter.choice is not None:
        return parameter.choice[proposed]
    return proposed if parameter.integer is not None else random.rounded(proposed, *parameter.edges)
