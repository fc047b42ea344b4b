"""How the learning rate moves over a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from trainables.config import Schedule, TrainConfig


def warmup_steps(warmup: float, total: int) -> int:
    """Steps of linear warm-up: `warmup` itself when at least 1, else that share of all steps, rounded up."""
    return int(warmup) if warmup >= 1 else math.ceil(warmup * total)


def factor(schedule: Schedule, step: int, total: int, warmup: int) -> float:
    """What the base rate is multiplied by at `step` (0-based); `plateau` only warms up here."""
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
        """The learning rate of the next step."""
        scale = factor(self.config.schedule, self.applied, self.total, self.warmup)
        return self.config.learning_rate * scale * self.reduction

    def epoch_ended(self, score: float) -> None:
        """Reduce the rate when `score` (higher is better) stood still too long; only `plateau` reacts."""
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
        """What a checkpoint keeps."""
        names = ("applied", "reduction", "best", "epochs_without_gain")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, float | int | None]) -> None:
        """Continue from `state()`."""
        for name, value in state.items():
            setattr(self, name, value)
