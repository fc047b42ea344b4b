"""Remembers the best epoch: its score, outputs, thresholds and, if they are needed later, its weights.

Only weights that training can change are kept, here as in a checkpoint. Also saves the models of a run's last epochs,
each as a folder that Hugging Face tools can load.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from analysis.tables.folder import Folder
from trainables.data.features import Ragged
from trainables.modeling.save_model import ModelBundle, save
from trainables.training.control_points import Request, RunControl, RunProgress


@dataclass
class Best:
    """The epoch with the best score so far, the first of equals. Weights that can change are kept on the host."""

    direction: Literal["maximize", "minimize"]
    keep_weights: bool
    epoch: int | None = None
    score: float | None = None
    epochs_since: int = 0
    outputs: dict[str, Ragged] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def offer(
        self, epoch: int, score: float, outputs: dict[str, Ragged], model: nn.Module, thresholds: dict[str, float]
    ) -> bool:
        """Take this epoch if it is better than all before. Return whether it was."""
        if self.score is not None and self.signed(score) <= self.signed(self.score):
            self.epochs_since += 1
            return False
        self.epoch, self.score, self.epochs_since = epoch, score, 0
        self.outputs, self.thresholds = outputs, thresholds
        if self.keep_weights:
            self._copy(model)
        return True

    def signed(self, score: float) -> float:
        """Return the score with a sign that makes higher better."""
        return score if self.direction == "maximize" else -score

    def reload(self, model: nn.Module) -> None:
        """Load the best weights into the model."""
        put_back(model, self.weights)

    def _copy(self, model: nn.Module) -> None:
        for name, tensor in changing(model).items():
            if name in self.weights:
                self.weights[name].copy_(tensor)
            else:
                self.weights[name] = tensor.detach().to("cpu", copy=True)


def changing(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the entries of `state_dict` without frozen parameters and their quantisation scales.

    In a model with adapters these are a few in a thousand; the rest is as it was loaded.
    """
    frozen = {name for name, weight in model.named_parameters(remove_duplicate=False) if not weight.requires_grad}
    state = model.state_dict()
    return {name: tensor for name, tensor in state.items() if frozen.isdisjoint(_prefixes(name))}


def put_back(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load what `changing` returned. Raises RuntimeError for weights of another model."""
    differ = sorted(set(weights) ^ set(changing(model)))
    if differ:
        raise RuntimeError(f"these are weights of another model, or of one with other frozen weights: {differ[0]}")
    model.load_state_dict(dict(weights), strict=False)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


logger = logging.getLogger(__name__)
_PREFIX = "epoch-"


@dataclass(frozen=True)
class LastEpochs:
    """Keep the last `count` (at least one) epochs as `folder`/epoch-<n>. `facts` go into every `task.json`."""

    folder: Folder
    count: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SavingEpochs:
    """A run's control that also saves the model of every reported epoch; only rank 0 reports.

    `model` returns a copy of the model as it is now, with the thresholds tuned after this epoch. Meanwhile the other
    ranks go on, and wait at their next reduction.
    """

    control: RunControl
    kept: LastEpochs
    model: Callable[[], ModelBundle]

    def poll(self, progress: RunProgress) -> Request:
        """Return what the outside asks for."""
        return self.control.poll(progress)

    def report(self, row: Mapping[str, Any]) -> None:
        """Report the epoch, then save its model. A full disk costs the epoch's model, never the run."""
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
