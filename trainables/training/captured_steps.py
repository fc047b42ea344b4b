"""Training steps that are recorded once for each shape of batch and then replayed: nothing is left for Python to do.

The inputs of a replay are copied into the tensors that were recorded. A shape is recorded when it comes for the second
time: the first step of each shape runs as usual, which also lets libraries prepare themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from trainables.protocols.variant import Compute, Recorder

Inputs = Mapping[str, torch.Tensor]
Shape = tuple[Any, ...]


@dataclass(frozen=True)
class _Recording:
    """What a replay reads, and the replay."""

    inputs: dict[str, torch.Tensor]
    scale: torch.Tensor
    replay: Compute


@dataclass
class RecordedSteps:
    """Steps of one model. `compute(inputs, scale)` is a whole step: it returns loss and gradient norm, as tensors.

    `scale` is what the summed loss is multiplied by, a float32 scalar on the device. `record` turns a function without
    arguments into one that does the same again without running any Python of it.
    """

    compute: Callable[[Inputs, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    record: Recorder
    _seen: set[Shape] = field(default_factory=set)
    _recordings: dict[Shape, _Recording] = field(default_factory=dict)

    def step(self, inputs: Inputs, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """One step. The tensors it returns are overwritten by the next step of this shape."""
        shape = tuple((name, tensor.shape, tensor.dtype) for name, tensor in sorted(inputs.items()))
        if shape not in self._seen:
            self._seen.add(shape)
            return self.compute(inputs, _scalar(scale, inputs))
        if shape not in self._recordings:
            self._recordings[shape] = self._recorded(inputs, scale)
        recording = self._recordings[shape]
        for name, tensor in inputs.items():
            recording.inputs[name].copy_(tensor)
        recording.scale.fill_(scale)
        return recording.replay()

    def _recorded(self, inputs: Inputs, scale: float) -> _Recording:
        kept = {name: tensor.clone() for name, tensor in inputs.items()}
        factor = _scalar(scale, inputs)
        return _Recording(kept, factor, self.record(lambda: self.compute(kept, factor)))


def _scalar(value: float, inputs: Inputs) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32, device=next(iter(inputs.values())).device)
