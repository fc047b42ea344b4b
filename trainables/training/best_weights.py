"""Remembers the best epoch: its score, its predictions, its decisions and, when they are needed later, its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from trainables.data.features import Ragged
from trainables.training.weights import changing, put_back


@dataclass
class Best:
    """The epoch with the best score so far; the first of equals. Weights that can change are kept on the host."""

    direction: Literal["maximize", "minimize"]
    keep_weights: bool
    epoch: int | None = None
    score: float | None = None
    epochs_since: int = 0
    outputs: dict[str, Ragged] = field(default_factory=dict)
    decisions: dict[str, float] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def offer(
        self, epoch: int, score: float, outputs: dict[str, Ragged], model: nn.Module, decisions: dict[str, float]
    ) -> bool:
        """Take this epoch if it is better than all before. Returns whether it was."""
        if self.score is not None and self.signed(score) <= self.signed(self.score):
            self.epochs_since += 1
            return False
        self.epoch, self.score, self.epochs_since = epoch, score, 0
        self.outputs, self.decisions = outputs, decisions
        if self.keep_weights:
            self._copy(model)
        return True

    def signed(self, score: float) -> float:
        """The score such that higher is better."""
        return score if self.direction == "maximize" else -score

    def reload(self, model: nn.Module) -> None:
        """Put the best weights back into the model."""
        put_back(model, self.weights)

    def _copy(self, model: nn.Module) -> None:
        for name, tensor in changing(model).items():
            if name in self.weights:
                self.weights[name].copy_(tensor)
            else:
                self.weights[name] = tensor.detach().to("cpu", copy=True)
