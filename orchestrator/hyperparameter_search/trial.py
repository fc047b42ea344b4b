"""What is known about one trial: the value from which searchers and schedulers decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["running", "waiting", "completed", "collapsed", "diverged", "pruned", "failed"]
WHOLE: tuple[State, ...] = ("completed", "collapsed")
OPEN: tuple[State, ...] = ("running", "waiting")


@dataclass(frozen=True)
class Trial:
    """`values` are its settings, `scores` its validation scores by epoch, signed so that higher is always better.

    Test scores are deliberately absent: settings are never chosen by them. A `waiting` trial has started and is not on
    a lane now: it was paused, or a search ended before it did.
    """

    number: int
    values: Mapping[str, Any]
    state: State = "running"
    scores: Mapping[int, float] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.state not in OPEN

    @property
    def epoch(self) -> int:
        """The last epoch that it reported; 0 before the first."""
        return max(self.scores, default=0)

    @property
    def best(self) -> float | None:
        """Its best score in any epoch, however it ended; None if no score is a number."""
        return max((score for score in self.scores.values() if not math.isnan(score)), default=None)

    @property
    def result(self) -> float | None:
        """The best score of a trial that ran to its end; None for any other."""
        return self.best if self.state in WHOLE else None
