"""AdamW with weight decay on matrices only, clipped gradients, and the gradient scaler that fp16 needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainables.config import Precision, TrainConfig

MAX_SKIPS_IN_A_ROW = 20


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: matrices decay; biases, norm weights and other vectors do not.

    Raises ValueError when nothing trains.
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
    """Fused AdamW (Loshchilov and Hutter, 2019): one pass over the weights a step, on CPU and CUDA alike."""
    return torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        fused=True,
    )


@dataclass
class Stepper:
    """Turns gradients into a step: unscale, clip, step or skip.

    With fp16 a GradScaler multiplies the loss; a gradient that overflowed is a skipped step, and twenty in a row
    mean that the run diverged. Reading whether it overflowed synchronises with the device, in fp16 only.
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
    ) -> Stepper:
        """The optimizer (fused AdamW unless `build` gives another) and, for fp16, the scaler of a run."""
        scaler = torch.amp.GradScaler(device.type, growth_interval=2000) if precision == "fp16" else None
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = (build or fused_adamw)(decay_groups(model, config.weight_decay), config)
        return cls(optimizer, trainable, config.clip, scaler)

    def backward(self, loss: torch.Tensor) -> None:
        """Accumulate gradients of `loss` (scaled in fp16)."""
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def step(self, learning_rate: float) -> tuple[torch.Tensor, bool]:
        """Apply the accumulated gradients. Returns the L2 norm before clipping and whether weights changed."""
        self.set_rate(learning_rate)
        return self.apply()

    def set_rate(self, learning_rate: float) -> None:
        """The rate of the next step; one that is a tensor is filled, so that recorded steps read the new value."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(learning_rate)
            else:
                group["lr"] = learning_rate

    def apply(self) -> tuple[torch.Tensor, bool]:
        """As `step`, at the rate that is set."""
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        norm = self._clip()
        applied = self._scaled_step() if self.scaler else self._plain_step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm, applied

    @property
    def gave_up(self) -> bool:
        """True after twenty skipped steps in a row."""
        return self.skipped_in_a_row >= MAX_SKIPS_IN_A_ROW

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps besides the optimizer's tensors."""
        scaler = self.scaler.state_dict() if self.scaler else None
        return {"skipped": self.skipped, "skipped_in_a_row": self.skipped_in_a_row, "scaler": scaler}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state()`."""
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
