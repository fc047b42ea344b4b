"""The weights that training can change: what the best epoch and a checkpoint have to keep of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn


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
