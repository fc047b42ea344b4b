"""Which trials go on: one algorithm a file, each a function of what is known of all trials of one system.

`decide(trials, number, rules)` says whether the trial `number` should go on, end now ("prune"), or wait until others
are as far as it is. It is asked after every epoch of a trial, and again for the trials that wait; it has no state, so
that a search that was killed decides as it would have.

Read `asha.py` for an example. May import `search.trial` and what this file defines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.hyperparameter_search.trial import Trial

TrialDecision = Literal["continue", "prune", "wait"]


@dataclass(frozen=True)
class Rules:
    """`epochs`: of a trial that runs to its end; `trials`: how many there will be; the others as in the file."""

    epochs: int
    trials: int
    reduction_factor: int = 3
    min_epochs: int = 1
    rungs: tuple[int, ...] = ()


class Scheduler(Protocol):
    """A module of this package. `WAITS`: whether a trial can be told to wait, so that it is begun more than once."""

    WAITS: bool

    def decide(self, trials: Mapping[int, Trial], number: int, rules: Rules) -> TrialDecision:
        """Whether the trial goes on."""
