"""Who proposes the next values: one algorithm a file, each a function of what was tried so far.

`propose(parameters, trials, number, seed)` gives the values of trial `number`, or None where there is nothing left to
try. It has no state: the same history, number and seed give the same values, so that a search that was killed goes on
as it would have.

Read `random.py` for an example. May import `search.trial` and `config`.
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
        """The next values."""
