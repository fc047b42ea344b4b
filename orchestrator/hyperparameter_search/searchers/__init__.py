"""Proposes the next values to try: one algorithm per file, each a function of what was tried so far.

`propose(parameters, trials, number, seed)` returns the values of trial `number`, or None if nothing is left to try. It
has no state: the same history, number and seed give the same values, so that a search that was killed goes on as it
would have.

Read `random.py` for an example. May import `hyperparameter_search.trial` and `config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from orchestrator.config.search import Distribution
from orchestrator.hyperparameter_search.trial import Trial

Values = dict[str, Any]


class Searcher(Protocol):
    """A module of this package."""

    def propose(
        self, parameters: Mapping[str, Distribution], trials: Mapping[int, Trial], number: int, seed: int
    ) -> Values | None:
        """Return the next values; None if nothing is left to try."""
