"""What is known of one trial: the one value that searchers and schedulers decide upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["running", "waiting", "completed", "collapsed", "diverged", "pruned", "failed"]
WHOLE: tuple[State, ...] = ("completed", "collapsed")
OPEN: tuple[State, ...] = ("running", "waiting")


@dataclass(frozen=True)
class Trial:
    """`values` are its settings, `scores` what it reached after each epoch; a larger score is always the better one.

    `score` is that of a trial that ran to its end, else None. A `waiting` trial was begun and is not on a lane now:
    it was paused, or a search ended before it did.
    """

    number: int
    values: Mapping[str, Any]
    state: State = "running"
    scores: Mapping[int, float] = field(default_factory=dict)
    score: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard of it."""
        return self.state not in OPEN

    @property
    def epoch(self) -> int:
        """The last epoch that it reported; 0 before the first."""
        return max(self.scores, default=0)

    @property
    def best(self) -> float | None:
        """Its best score of any epoch, whatever became of it."""
        return max(self.scores.values(), default=None)
