"""The one training loop: epochs of planned global batches, evaluated, reported, checkpointed and resumed exactly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainables.engine.batching import Indices, bucketed_batches, micro_batches, shard, shuffled_batches
from trainables.engine.best import Best
from trainables.engine.checkpoint import Checkpoints, Snapshot
from trainables.engine.config import RunConfig
from trainables.engine.control import Control, ControlPoints, Progress
from trainables.engine.dropout import quick_masks
from trainables.engine.evaluate import Evaluation, evaluate, forward_inputs, is_usable
from trainables.engine.features import Ragged
from trainables.engine.feed import Feed
from trainables.engine.group import Group
from trainables.engine.measure import StepClock
from trainables.engine.optimizer import Stepper, autocast
from trainables.engine.outcome import Diverged, Stopped
from trainables.engine.schedule import LearningRate
from trainables.engine.seeding import Purpose, derived, generator, seed_step
from trainables.engine.task import Task
from trainables.engine.tensors import restore_tensors, tensors_of
from trainables.engine.variant import Plan

logger = logging.getLogger(__name__)
Score = Callable[[dict[str, Ragged]], dict[str, float]]


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


class Training:
    """One model being fine-tuned. `score` turns validation outputs into metrics; `metric` is the one that chooses."""

    def __init__(
        self,
        *,
        config: RunConfig,
        plan: Plan,
        task: Task,
        model: nn.Module,
        train: Feed,
        validation: Feed,
        score: Score,
        metric: str,
        group: Group,
        control: Control,
        checkpoints: Checkpoints,
        accumulation: int,
        keep_weights: bool,
    ) -> None:
        """Build optimizer, schedule and control points around a model that is on its device."""
        self.config, self.plan, self.task, self.model, self.group = config, plan, task, model, group
        self.train, self.validation, self.score, self.metric = train, validation, score, metric
        self.accumulation, self.checkpoints = accumulation, checkpoints
        self.steps_per_epoch = -(-len(train.lengths) // config.train.batch_size)
        self.rate = LearningRate(config.train, self.steps_per_epoch * config.train.epochs)
        self.stepper = Stepper.create(model, config.train, config.model.precision, group.device)
        self.best = Best(config.direction, keep_weights)
        self.points = ControlPoints(group, control, checkpoints.due)
        self.control = control
        self.clock = StepClock(group.device)
        self.position, self.totals = Position(), Totals()
        self._parallel = _parallel(model, group)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=group.device)
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=group.device)
        self._norm = torch.zeros((), device=group.device)

    def run(self) -> None:
        """Train from the current position to the end, or raise Diverged or Stopped."""
        with quick_masks(self.group.device):
            while self.position.epoch < self.config.train.epochs and not self._should_stop_early():
                self._run_epoch()

    def _run_epoch(self) -> None:
        started = time.perf_counter()
        self.model.train()
        self.clock.tick()
        for batch in self._batches()[self.position.batch :]:
            self._step(batch)
            self.position.batch += 1
            self.position.step += 1
            self.clock.tick()
            if self.points.due():
                self._control_point(started)
        train_loss = self._read_losses()
        self.clock.pause()
        self.totals.train_seconds += time.perf_counter() - started
        self._finish_epoch(train_loss, time.perf_counter() - started)

    def _batches(self) -> list[Indices]:
        order = generator(self.config.seed, Purpose.ORDER, self.position.epoch)
        if self.plan.bucketing:
            return bucketed_batches(self.train.lengths, self.config.train.batch_size, order)
        return shuffled_batches(len(self.train.lengths), self.config.train.batch_size, order)

    def _step(self, batch: Indices) -> None:
        seed_step(self.config.seed, self.position.step, self.group.rank)
        mine = shard(batch, self.group.rank, self.group.world_size)
        parts = micro_batches(mine, self.accumulation)
        terms = max(1, int(self.train.terms[batch].sum()))
        if not parts:  # nothing to do here, but DDP waits for this rank's (zero) gradients
            self._backward(batch[:1], terms, weight=0.0, last=True)
        for number, part in enumerate(parts, start=1):
            self._backward(part, terms, weight=1.0, last=number == len(parts))
        self._norm, applied = self.stepper.step(self.rate.now())
        self.rate.applied += applied
        self._note_bad_step()
        self.totals.items += len(batch)
        self.totals.tokens += int(self.train.lengths[batch].sum())

    def _backward(self, rows: Indices, terms: int, weight: float, last: bool) -> None:
        seed = derived(self.config.seed, Purpose.VARIATION, self.position.epoch)
        inputs = self.task.vary(self.train.batch(rows), rows, seed)
        with self._communicating(last):
            with autocast(self.config.model.precision, self.group.device):
                outputs = self._parallel(**forward_inputs(self.task, inputs))
            loss = self.task.loss(outputs, inputs) * weight
            self.stepper.backward(loss * (self.group.world_size / terms))
        self._loss_sum += loss.detach()

    def _communicating(self, last: bool) -> AbstractContextManager[Any]:
        if isinstance(self._parallel, DistributedDataParallel) and not last:
            return self._parallel.no_sync()
        return nullcontext()

    def _note_bad_step(self) -> None:
        """Keep the first step with a non-finite value on the device; fp16 gradients may overflow, its loss may not."""
        finite = torch.isfinite(self._loss_sum)
        if self.stepper.scaler is None:
            finite = finite & torch.isfinite(self._norm)
        self._first_bad = torch.where((self._first_bad < 0) & ~finite, self.position.step, self._first_bad)

    def _bad_step(self) -> int | None:
        step = int(self._first_bad)
        if step < 0 and self.stepper.gave_up:
            return self.position.step
        return None if step < 0 else step

    def _control_point(self, epoch_started: float) -> None:
        progress = Progress(self.position.step, self.rate.total, self.position.epoch)
        decision = self.points.agree(progress, self._bad_step())
        if decision.first_bad_step is not None:
            raise Diverged(decision.first_bad_step, "loss or gradient became non-finite")
        if decision.request == "prune":
            raise Stopped(prune=True)
        if decision.request in ("checkpoint", "stop"):
            self._save(time.perf_counter() - epoch_started)
        if decision.request == "stop":
            raise Stopped(prune=False)

    def _read_losses(self) -> float:
        terms = int(self.train.terms.sum())
        total = self.group.total([float(self._loss_sum)])[0] / max(1, terms)
        bad = self.points.shared_bad_step(self._bad_step())
        if bad is not None:
            raise Diverged(bad, "loss or gradient became non-finite")
        return total

    def _finish_epoch(self, train_loss: float, seconds: float) -> None:
        evaluation = self._evaluate()
        metrics = self.group.shared(self.score(evaluation.outputs) if self.group.is_main else {})
        self.position.epoch, self.position.batch = self.position.epoch + 1, 0
        self._loss_sum = torch.zeros_like(self._loss_sum)
        row = {
            "epoch": self.position.epoch,
            "step": self.position.step,
            "train_loss": train_loss,
            "eval_loss": evaluation.loss,
            "learning_rate": self.rate.now(),
            "grad_norm": float(self._norm),
            "seconds": seconds + evaluation.seconds,
            **{f"metric_{name}": value for name, value in metrics.items()},
        }
        self.totals.rows.append(row)
        self.best.offer(self.position.epoch, metrics[self.metric], evaluation.outputs, self.model)
        self.rate.epoch_ended(self.best.signed(metrics[self.metric]))
        self._report(row)

    def _evaluate(self) -> Evaluation:
        evaluation = evaluate(self.model, self.task, self.validation, self.group, self.config.model.precision)
        self.totals.evaluation_seconds += evaluation.seconds
        if not is_usable(evaluation):
            raise Diverged(self.position.step, "evaluation loss became non-finite")
        return evaluation

    def _report(self, row: dict[str, Any]) -> None:
        score = row[f"metric_{self.metric}"]
        logger.info(
            "epoch %d: train loss %.5f, eval loss %.5f, %s %.4f",
            *(row["epoch"], row["train_loss"], row["eval_loss"], self.metric, score),
        )
        if self.group.is_main:
            self.control.report(row)

    def _should_stop_early(self) -> bool:
        stopping = self.config.train.early_stopping
        return stopping is not None and self.best.epochs_since >= stopping.patience

    def _save(self, seconds_of_epoch: float) -> None:
        """Write a checkpoint from rank 0; loss sums are kept per rank so that the same layout resumes exactly."""
        loss_sums = self.group.gather(float(self._loss_sum))
        if not self.group.is_main:
            return
        totals = {**vars(self.totals), "train_seconds": self.totals.train_seconds + seconds_of_epoch}
        state = {
            "position": vars(self.position),
            "totals": totals,
            "loss_sums": loss_sums,
            "norm": float(self._norm),
            "rate": self.rate.state(),
            "best": {"epoch": self.best.epoch, "score": self.best.score, "epochs_since": self.best.epochs_since},
            "stepper": self.stepper.state(),
        }
        tensors = tensors_of(self.model, self.stepper.optimizer, self.best)
        self.checkpoints.save(self.position.step, Snapshot(tensors, state))

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a checkpoint, as if the run had never stopped."""
        state = snapshot.state
        self.position, self.totals = Position(**state["position"]), Totals(**state["totals"])
        self.rate.restore(state["rate"])
        self.stepper.restore(state["stepper"])
        for name, value in state["best"].items():
            setattr(self.best, name, value)
        restore_tensors(snapshot.tensors, self.model, self.stepper.optimizer, self.best)
        sums = state["loss_sums"]
        same_layout = len(sums) == self.group.world_size
        mine = sums[self.group.rank] if same_layout else sum(sums) * (self.group.rank == 0)
        self._loss_sum = torch.full_like(self._loss_sum, mine)
        self._norm = torch.full_like(self._norm, state["norm"])


def _parallel(model: nn.Module, group: Group) -> nn.Module:
    if group.world_size == 1:
        return model
    devices = [group.device] if group.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True)
