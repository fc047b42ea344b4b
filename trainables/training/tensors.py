"""The tensors of a checkpoint: model, optimizer, and the best epoch's weights and outputs, under flat names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainables.data.features import Ragged
from trainables.training.best_weights import Best
from trainables.training.weights import changing, put_back

Tensors = dict[str, torch.Tensor]


def tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer, best: Best) -> Tensors:
    """Copies on the host, so that tied weights and views can be saved. Frozen weights are not among them."""
    tensors = {f"model.{name}": tensor for name, tensor in changing(model).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in _flat(state).items()}
    tensors |= {f"best.weights.{name}": tensor for name, tensor in best.weights.items()}
    for name, ragged in best.outputs.items():
        tensors[f"best.outputs.{name}.values"] = torch.from_numpy(ragged.values)
        tensors[f"best.outputs.{name}.offsets"] = torch.from_numpy(ragged.offsets)
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def restore_tensors(
    tensors: Mapping[str, torch.Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, best: Best
) -> None:
    """Put the tensors of `tensors_of` back. Raises RuntimeError when they are of another model."""
    put_back(model, _below(tensors, "model."))
    states: dict[int, dict[str, Any]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = tensor.item() if _is_count(tensor) else tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    best.weights = _below(tensors, "best.weights.")
    outputs = _below(tensors, "best.outputs.")
    names = {name.rsplit(".", 1)[0] for name in outputs}
    best.outputs = {
        name: Ragged(outputs[f"{name}.values"].numpy(), outputs[f"{name}.offsets"].numpy()) for name in sorted(names)
    }


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    """One level of names: some optimizers give their scales in a dictionary of their own, and take them without."""
    inner = [value for value in state.values() if isinstance(value, Mapping)]
    own = {name: value for name, value in state.items() if not isinstance(value, Mapping)}
    return {**own, **{name: value for values in inner for name, value in values.items()}}


def _is_count(tensor: torch.Tensor) -> bool:
    """Whether this was a whole number of Python's: torch's own optimizers count steps in float32."""
    return tensor.ndim == 0 and tensor.dtype == torch.int64


def _below(tensors: Mapping[str, torch.Tensor], prefix: str) -> Tensors:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
