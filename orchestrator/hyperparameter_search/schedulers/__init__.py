"""Decides which trials go on: one algorithm per file, each a function of all trials of one system.

`decide(trials, number, rules)` says whether trial `number` should go on, end now ("prune"), or wait until others have
come as far. It is called after every epoch of a trial, and again for waiting trials. It has no state, so that a search
that was killed decides as it would have.

Read `asha.py` for an example. May import `hyperparameter_search.trial` and what this file defines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.hyperparameter_search.trial import Trial

TrialDecision = Literal["continue", "prune", "wait"]


@dataclass(frozen=True)
class Rules:
    """`epochs` of a trial that runs to its end, number of `trials` in all; the others as in the experiment file."""

    epochs: int
    trials: int
    reduction_factor: int = 3
    min_epochs: int = 1
    rungs: tuple[int, ...] = ()


class Scheduler(Protocol):
    """A module of this package. `WAITS`: whether it can let a trial wait, which then starts more than once."""

    WAITS: bool

    def decide(self, trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
        """Decide whether the trial goes on."""
