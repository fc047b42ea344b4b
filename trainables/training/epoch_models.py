"""Leaves the models of a run's last epochs beside its best one, each a folder that Hugging Face tools load."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.tables.folder import Folder
from trainables.modeling.save_model import Keepsake, save
from trainables.training.control_points import Control, Progress, Request

logger = logging.getLogger(__name__)
_PREFIX = "epoch-"


@dataclass(frozen=True)
class LastEpochs:
    """Keep the last `count` epochs, at least one, as `folder`/epoch-<n>. `facts` go into every `task.json`."""

    folder: Folder
    count: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SavingEpochs:
    """A run's control that also saves the model of every epoch it hears of; only rank 0 hears of them.

    `model` gives a copy of the model as it is now, with the decisions that were tuned after this epoch. Others than
    rank 0 go on meanwhile and wait at their next reduction.
    """

    control: Control
    kept: LastEpochs
    model: Callable[[], Keepsake]

    def poll(self, progress: Progress) -> Request:
        """What the outside wants."""
        return self.control.poll(progress)

    def report(self, row: Mapping[str, Any]) -> None:
        """Tell the outside, then save. A full disk costs the epoch's model, never the run."""
        self.control.report(row)
        name = f"{_PREFIX}{row['epoch']:04d}"
        scores = {key: value for key, value in row.items() if key == "eval_loss" or key.startswith("metric_")}
        try:
            save(
                self.model(), self.kept.folder.child(name), {**self.kept.facts, "epoch": row["epoch"], "scores": scores}
            )
        except OSError as error:
            logger.warning("the model of epoch %d is not kept: %s", row["epoch"], error)
            self.kept.folder.delete(name)
        for old in self.kept.folder.names(_PREFIX)[: -self.kept.count]:
            self.kept.folder.delete(old)
