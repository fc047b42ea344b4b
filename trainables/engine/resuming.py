"""What a checkpoint holds of a training, and how a training goes on from one as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trainables.engine.best import Best
from trainables.engine.checkpoint import Snapshot
from trainables.engine.group import Group
from trainables.engine.optimizer import Stepper
from trainables.engine.schedule import LearningRate
from trainables.engine.tensors import restore_tensors, tensors_of


@dataclass
class Position:
    """Where a run is: epochs finished, batches of the current epoch done, optimizer steps done."""

    epoch: int = 0
    batch: int = 0
    step: int = 0


@dataclass
class Totals:
    """What a run has added up so far; seconds are of this and earlier attempts together."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    items: int = 0
    tokens: int = 0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0


class Resumable(Protocol):
    """What of a training changes while it runs, and where it runs: all that a checkpoint holds, or is put back into."""

    model: nn.Module
    group: Group
    position: Position
    totals: Totals
    rate: LearningRate
    stepper: Stepper
    best: Best
    loss_sum: Tensor
    norm: Tensor


def snapshot_of(training: Resumable, seconds_of_epoch: float) -> Snapshot | None:
    """Everything a training needs to go on; None but on rank 0, though all ranks call it alike.

    Loss sums are kept per rank so that the same layout resumes exactly.
    """
    loss_sums = training.group.gather(float(training.loss_sum))
    if not training.group.is_main:
        return None
    totals, best = training.totals, training.best
    state = {
        "position": vars(training.position),
        "totals": {**vars(totals), "train_seconds": totals.train_seconds + seconds_of_epoch},
        "loss_sums": loss_sums,
        "norm": float(training.norm),
        "rate": training.rate.state(),
        "best": {"epoch": best.epoch, "score": best.score, "epochs_since": best.epochs_since},
        "stepper": training.stepper.state(),
    }
    return Snapshot(tensors_of(training.model, training.stepper.optimizer, best), state)


def restore(training: Resumable, snapshot: Snapshot) -> None:
    """Continue from a checkpoint, as if the run had never stopped."""
    state, best = snapshot.state, training.best
    training.position, training.totals = Position(**state["position"]), Totals(**state["totals"])
    training.rate.restore(state["rate"])
    training.stepper.restore(state["stepper"])
    for name, value in state["best"].items():
        setattr(best, name, value)
    restore_tensors(snapshot.tensors, training.model, training.stepper.optimizer, best)
    sums = state["loss_sums"]
    same_layout = len(sums) == training.group.world_size
    mine = sums[training.group.rank] if same_layout else sum(sums) * (training.group.rank == 0)
    training.loss_sum = torch.full_like(training.loss_sum, mine)
    training.norm = torch.full_like(training.norm, state["norm"])
