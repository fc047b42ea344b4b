"""Remembers the best epoch: its score, its predictions, its decisions and, when they are needed later, its weights.

Of a model only the weights that training can change have to be kept, here as in a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from trainables.data.features import Ragged


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


def changing(model: nn.Module) -> dict[str, torch.Tensor]:
    """The entries of `state_dict` without frozen parameters (and what belongs to them, such as quantisation scales).

    Of a model with adapters that is a few in a thousand; the rest is what it was loaded with.
    """
    frozen = {name for name, weight in model.named_parameters(remove_duplicate=False) if not weight.requires_grad}
    state = model.state_dict()
    return {name: tensor for name, tensor in state.items() if frozen.isdisjoint(_prefixes(name))}


def put_back(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load what `changing` gave. Raises RuntimeError for weights of another model."""
    differ = sorted(set(weights) ^ set(changing(model)))
    if differ:
        raise RuntimeError(f"these are weights of another model, or other weights of it were frozen: {differ[0]}")
    model.load_state_dict(dict(weights), strict=False)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))
