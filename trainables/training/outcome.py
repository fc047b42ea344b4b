"""The outcome of a run, before it becomes rows of the result tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

if TYPE_CHECKING:
    from trainables.modeling.save_model import ModelBundle

Status = Literal["completed", "collapsed", "diverged", "pruned", "stopped"]


class Diverged(ArithmeticError):
    """Loss or gradient became non-finite. `step` is the first optimizer step (0-based) where it was seen."""

    def __init__(self, step: int, what: str) -> None:
        """Make the message from what became non-finite and when."""
        super().__init__(f"{what} at step {step}")
        self.step = step


class Stopped(Exception):
    """The outside asked the run to end: for good if `prune`, else it leaves a checkpoint and stays pending."""

    def __init__(self, prune: bool) -> None:
        """Remember whether the run was pruned."""
        super().__init__("pruned" if prune else "stopped on request")
        self.prune = prune


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `columns` are columns of the `runs` table; `stopped` is the only status without a record.

    `kept` is the model with its best weights, on rank 0 of a run that was asked to keep it.
    """

    status: Status
    error: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    epochs: pd.DataFrame = field(default_factory=pd.DataFrame)
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    kept: ModelBundle | None = None
