"""AdamW with weight decay on matrices only, clipped gradients, the learning rate's schedule, and captured steps.

A captured step (CUDA graphs) is captured once for each batch shape and then replayed without any Python. The inputs of
a replay are copied into the tensors of the capture. A shape is captured when it occurs for the second time: the first
step of each shape runs as usual, which also lets libraries initialise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainables.config import Precision, Schedule, TrainConfig
from trainables.protocols.variant import Compute, Recorder

MAX_SKIPS_IN_A_ROW = 20


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split trainable parameters into two groups: matrices decay; biases, norm weights and other vectors do not.

    Raises ValueError if nothing trains.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("no parameter trains: every weight is frozen")
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


Build = Callable[[list[dict[str, Any]], TrainConfig], torch.optim.Optimizer]


def fused_adamw(groups: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    """Return fused AdamW (Loshchilov and Hutter, 2019): one pass over the weights per step, on CPU and CUDA."""
    return torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        fused=True,
    )


@dataclass
class OptimizerStep:
    """Turns gradients into a step: unscale, clip, step or skip.

    With fp16 a GradScaler multiplies the loss; a gradient that overflows means a skipped step, and twenty in a row
    mean that the run diverged. Checking for overflow synchronises with the device, in fp16 only.
    """

    optimizer: torch.optim.Optimizer
    parameters: list[nn.Parameter]
    clip: float | None
    scaler: torch.amp.GradScaler | None = None
    skipped: int = 0
    skipped_in_a_row: int = 0

    @classmethod
    def create(
        cls,
        model: nn.Module,
        config: TrainConfig,
        precision: Precision,
        device: torch.device,
        build: Build | None = None,
    ) -> OptimizerStep:
        """Create a run's optimizer (fused AdamW unless `build` returns another) and, for fp16, its scaler."""
        scaler = torch.amp.GradScaler(device.type, growth_interval=2000) if precision == "fp16" else None
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = (build or fused_adamw)(decay_groups(model, config.weight_decay), config)
        return cls(optimizer, trainable, config.clip, scaler)

    def backward(self, loss: torch.Tensor) -> None:
        """Accumulate gradients of `loss` (scaled in fp16)."""
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def step(self, learning_rate: float) -> tuple[torch.Tensor, bool]:
        """Apply the accumulated gradients. Return their L2 norm before clipping and whether weights changed."""
        self.set_rate(learning_rate)
        return self.apply()

    def set_rate(self, learning_rate: float) -> None:
        """Set the rate of the next step; a rate that is a tensor is filled, so that captured steps read the new one."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(learning_rate)
            else:
                group["lr"] = learning_rate

    def apply(self) -> tuple[torch.Tensor, bool]:
        """Do as `step` does, at the rate that is set."""
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        norm = self._clip()
        applied = self._scaled_step() if self.scaler else self._plain_step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm, applied

    @property
    def gave_up(self) -> bool:
        """Return whether twenty steps in a row were skipped."""
        return self.skipped_in_a_row >= MAX_SKIPS_IN_A_ROW

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps besides the optimizer's tensors."""
        scaler = self.scaler.state_dict() if self.scaler else None
        return {"skipped": self.skipped, "skipped_in_a_row": self.skipped_in_a_row, "scaler": scaler}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]
        if self.scaler:
            self.scaler.load_state_dict(state["scaler"])

    def _clip(self) -> torch.Tensor:
        limit = self.clip if self.clip is not None else float("inf")
        return nn.utils.clip_grad_norm_(self.parameters, limit)

    def _plain_step(self) -> bool:
        self.optimizer.step()
        return True

    def _scaled_step(self) -> bool:
        assert self.scaler is not None
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        applied = self.scaler.get_scale() >= before
        self.skipped += not applied
        self.skipped_in_a_row = 0 if applied else self.skipped_in_a_row + 1
        return applied


def warmup_steps(warmup: float, total: int) -> int:
    """Return the steps of linear warm-up: `warmup` itself if at least 1, else that share of all steps, rounded up."""
    return int(warmup) if warmup >= 1 else math.ceil(warmup * total)


def factor(schedule: Schedule, step: int, total: int, warmup: int) -> float:
    """Return the factor of the base rate at `step` (0-based); for `plateau` only the warm-up."""
    if step < warmup:
        return step / warmup
    if schedule in ("constant", "plateau"):
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return max(0.0, 1.0 - progress)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


@dataclass
class LearningRate:
    """The rate of each step. `applied` counts steps that changed weights: a skipped step does not move the schedule."""

    config: TrainConfig
    total: int
    applied: int = 0
    reduction: float = 1.0
    best: float | None = None
    epochs_without_gain: int = 0
    warmup: int = field(init=False)

    def __post_init__(self) -> None:
        """Fix the number of warm-up steps."""
        self.warmup = warmup_steps(self.config.warmup, self.total)

    def now(self) -> float:
        """Return the learning rate of the next step."""
        scale = factor(self.config.schedule, self.applied, self.total, self.warmup)
        return self.config.learning_rate * scale * self.reduction

    def epoch_ended(self, score: float) -> None:
        """Reduce the rate if `score` (higher is better) has not improved for too long; only for `plateau`."""
        if self.config.schedule != "plateau":
            return
        if self.best is None or score > self.best:
            self.best, self.epochs_without_gain = score, 0
            return
        self.epochs_without_gain += 1
        if self.epochs_without_gain > self.config.plateau_patience:
            self.reduction *= self.config.plateau_factor
            self.epochs_without_gain = 0

    def state(self) -> dict[str, float | int | None]:
        """Return what a checkpoint keeps."""
        names = ("applied", "reduction", "best", "epochs_without_gain")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, float | int | None]) -> None:
        """Restore what `state` returned."""
        for name, value in state.items():
            setattr(self, name, value)


Inputs = Mapping[str, torch.Tensor]
Shape = tuple[Any, ...]


@dataclass(frozen=True)
class _CapturedStep:
    """A replay, and the tensors that it reads."""

    inputs: dict[str, torch.Tensor]
    scale: torch.Tensor
    replay: Compute


@dataclass
class CapturedSteps:
    """Steps of one model. `compute(inputs, scale)` is a whole step that returns loss and gradient norm as tensors.

    The summed loss is multiplied by `scale`, a float32 scalar on the device. `record` turns a function without
    arguments into one that does the same again without running its Python.
    """

    compute: Callable[[Inputs, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    record: Recorder
    _seen: set[Shape] = field(default_factory=set)
    _captured_steps: dict[Shape, _CapturedStep] = field(default_factory=dict)

    def step(self, inputs: Inputs, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Do one step. The returned tensors are overwritten by the next step of this shape."""
        shape = tuple((name, tensor.shape, tensor.dtype) for name, tensor in sorted(inputs.items()))
        if shape not in self._seen:
            self._seen.add(shape)
            return self.compute(inputs, _scalar(scale, inputs))
        if shape not in self._captured_steps:
            self._captured_steps[shape] = self._capture(inputs, scale)
        captured = self._captured_steps[shape]
        for name, tensor in inputs.items():
            captured.inputs[name].copy_(tensor)
        captured.scale.fill_(scale)
        return captured.replay()

    def _capture(self, inputs: Inputs, scale: float) -> _CapturedStep:
        kept = {name: tensor.clone() for name, tensor in inputs.items()}
        factor = _scalar(scale, inputs)
        return _CapturedStep(kept, factor, self.record(lambda: self.compute(kept, factor)))


def _scalar(value: float, inputs: Inputs) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32, device=next(iter(inputs.values())).device)
