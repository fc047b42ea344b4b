"""The one training loop: epochs of planned global batches, evaluated, reported, checkpointed and resumed exactly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainables.config import RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.batching import Indices, bucketed_batches, micro_batches, shard, shuffled_batches
from trainables.data.features import Ragged
from trainables.protocols.task import Task
from trainables.protocols.variant import Plan
from trainables.system.fast_dropout import quick_masks
from trainables.system.memory import KeptMemory, StepClock
from trainables.system.precision import autocast
from trainables.training.best_weights import Best
from trainables.training.checkpoint import Checkpoints, Position, Totals, snapshot_of
from trainables.training.control_points import ControlPoints, RunControl, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import Evaluation, evaluate, forward_inputs, is_usable
from trainables.training.optimizer import CapturedSteps, LearningRate, OptimizerStep
from trainables.training.outcome import Diverged, Stopped
from trainables.training.seeding import RandomStream, derived, generator, seed_step

logger = logging.getLogger(__name__)
Judge = Callable[[Mapping[str, dict[str, Ragged]]], tuple[dict[str, float], dict[str, float]]]


class Training:
    """One model being fine-tuned, and judged after every epoch on the parts in `judged`, validation first.

    `judge` turns their outputs into the reported metrics and the thresholds that belong to them; `metric` chooses the
    best epoch.
    """

    def __init__(
        self,
        *,
        config: RunConfig,
        plan: Plan,
        task: Task,
        model: nn.Module,
        train: BatchLoader,
        judged: Mapping[str, BatchLoader],
        judge: Judge,
        metric: str,
        group: ProcessGroup,
        control: RunControl,
        checkpoints: Checkpoints,
        accumulation: int,
        keep_weights: bool,
    ) -> None:
        """Build optimizer, schedule and control points for a model that is already on its device."""
        self.config, self.plan, self.task, self.model, self.group = config, plan, task, model, group
        self.train, self.judged, self.judge, self.metric = train, judged, judge, metric
        self.accumulation, self.checkpoints = accumulation, checkpoints
        self.steps_per_epoch = -(-len(train.lengths) // config.train.batch_size)
        self.rate = LearningRate(config.train, self.steps_per_epoch * config.train.epochs)
        self.optimizer_step = OptimizerStep.create(
            model, config.train, config.model.precision, group.device, plan.optimizer
        )
        self.best = Best(config.direction, keep_weights)
        self.points = ControlPoints(group, control, checkpoints.due)
        self.control = control
        self.clock = StepClock(group.device)
        self.kept_memory = KeptMemory()
        self.position, self.totals = Position(), Totals()
        self.thresholds: dict[str, float] = {}  # of the epoch that ended last
        self.parallel = _parallel(model, group)  # the model as it is called
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=group.device)
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=group.device)
        self.norm = torch.zeros((), device=group.device)
        self._captured = self._captured_steps()

    def run(self) -> None:
        """Train from the current position to the end, or raise Diverged or Stopped."""
        with quick_masks(self.group.device):
            while self.position.epoch < self.config.train.epochs and not self._should_stop_early():
                self._run_epoch()

    def _run_epoch(self) -> None:
        started = time.perf_counter()
        self.model.train()
        self.clock.tick()
        for batch in self.batches()[self.position.batch :]:
            self.step(batch)
            self.position.batch += 1
            self.clock.tick()
            if self.points.due():
                self._control_point(started)
        train_loss = self._read_losses()
        self.clock.pause()
        self.totals.train_seconds += time.perf_counter() - started
        self._finish_epoch(train_loss, time.perf_counter() - started)

    def batches(self) -> list[Indices]:
        """Return the global batches of the current epoch, in order."""
        order = generator(self.config.seed, RandomStream.ORDER, self.position.epoch)
        if self.plan.bucketing:
            return bucketed_batches(self.train.lengths, self.config.train.batch_size, order)
        return shuffled_batches(len(self.train.lengths), self.config.train.batch_size, order)

    def step(self, batch: Indices) -> None:
        """Do one optimizer step; nothing in it waits for the device, except the scaler of fp16."""
        seed_step(self.config.seed, self.position.step, self.group.rank)
        terms = max(1, int(self.train.terms[batch].sum()))
        self.rate.applied += self._launch(batch, terms) if self._captured is None else self._replay(batch, terms)
        self._note_bad_step()
        self.totals.items += len(batch)
        self.totals.tokens += int(self.train.lengths[batch].sum())
        self.position.step += 1

    def _launch(self, batch: Indices, terms: int) -> bool:
        """Compute this rank's part of a step and apply it. Return whether weights changed."""
        parts = micro_batches(shard(batch, self.group.rank, self.group.world_size), self.accumulation)
        if not parts:  # this rank has no items, but DDP waits for its (zero) gradients
            self._backward(batch[:1], terms, weight=0.0, last=True)
        for number, part in enumerate(parts, start=1):
            self._backward(part, terms, weight=1.0, last=number == len(parts))
        self.norm, applied = self.optimizer_step.step(self.rate.now())
        return applied

    def _replay(self, batch: Indices, terms: int) -> bool:
        """Do the same as one captured launch."""
        assert self._captured is not None
        self.optimizer_step.set_rate(self.rate.now())
        loss, norm = self._captured.step(self._inputs(batch), 1.0 / terms)
        self.loss_sum += loss
        self.norm = norm.clone()
        return True

    def _captured_steps(self) -> CapturedSteps | None:
        if self.plan.recorder is None:
            return None
        if self.group.world_size > 1 or self.accumulation > 1:
            raise ValueError("a step is captured as a whole: use one worker per run and no accumulation")
        return CapturedSteps(self._whole_step, self.plan.recorder)

    def _whole_step(self, inputs: Mapping[str, torch.Tensor], scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss = self._loss(inputs)
        self.optimizer_step.backward(loss * scale)
        return loss.detach(), self.optimizer_step.apply()[0]

    def _inputs(self, rows: Indices) -> dict[str, torch.Tensor]:
        seed = derived(self.config.seed, RandomStream.VARIATION, self.position.epoch)
        return self.task.augment(self.train.batch(rows), rows, seed)

    def _loss(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        with autocast(self.config.model.precision, self.group.device):
            outputs = self.parallel(**forward_inputs(self.task, inputs))
        return self.task.loss(outputs, inputs)

    def _backward(self, rows: Indices, terms: int, weight: float, last: bool) -> None:
        inputs = self._inputs(rows)
        with self._communicating(last):
            loss = self._loss(inputs) * weight
            self.optimizer_step.backward(loss * (self.group.world_size / terms))
        self.loss_sum += loss.detach()

    def _communicating(self, last: bool) -> AbstractContextManager[Any]:
        if isinstance(self.parallel, DistributedDataParallel) and not last:
            return self.parallel.no_sync()
        return nullcontext()

    def _note_bad_step(self) -> None:
        """Note the first step with a non-finite value, on the device; in fp16 only the loss counts, not gradients."""
        finite = torch.isfinite(self.loss_sum)
        if self.optimizer_step.scaler is None:
            finite = finite & torch.isfinite(self.norm)
        self._first_bad = torch.where((self._first_bad < 0) & ~finite, self.position.step, self._first_bad)

    def _bad_step(self) -> int | None:
        step = int(self._first_bad)
        if step < 0 and self.optimizer_step.gave_up:
            return self.position.step
        return None if step < 0 else step

    def _control_point(self, epoch_started: float) -> None:
        self.kept_memory.check()
        progress = RunProgress(self.position.step, self.rate.total, self.position.epoch)
        agreement = self.points.agree(progress, self._bad_step())
        if agreement.first_bad_step is not None:
            raise Diverged(agreement.first_bad_step, "loss or gradient became non-finite")
        if agreement.request == "prune":
            raise Stopped(prune=True)
        if agreement.request in ("checkpoint", "stop"):
            self._save(time.perf_counter() - epoch_started)
        if agreement.request == "stop":
            raise Stopped(prune=False)

    def _read_losses(self) -> float:
        terms = int(self.train.terms.sum())
        total = self.group.total([float(self.loss_sum)])[0] / max(1, terms)
        bad = self.points.shared_bad_step(self._bad_step())
        if bad is not None:
            raise Diverged(bad, "loss or gradient became non-finite")
        return total

    def _finish_epoch(self, train_loss: float, seconds: float) -> None:
        evaluations = {part: self.evaluate(loader) for part, loader in self.judged.items()}
        if not all(map(is_usable, evaluations.values())):
            raise Diverged(self.position.step, "evaluation loss became non-finite")
        outputs = {part: evaluation.outputs for part, evaluation in evaluations.items()}
        metrics, self.thresholds = self.group.shared(self.judge(outputs) if self.group.is_main else ({}, {}))
        self.position.epoch, self.position.batch = self.position.epoch + 1, 0
        self.loss_sum = torch.zeros_like(self.loss_sum)
        row = {
            "epoch": self.position.epoch,
            "step": self.position.step,
            "train_loss": train_loss,
            "eval_loss": evaluations["validation"].loss,
            "learning_rate": self.rate.now(),
            "grad_norm": float(self.norm),
            "seconds": seconds + sum(evaluation.seconds for evaluation in evaluations.values()),
            **{f"metric_{name}": value for name, value in metrics.items()},
        }
        self.totals.rows.append(row)
        self.best.offer(self.position.epoch, metrics[self.metric], outputs["validation"], self.model, self.thresholds)
        self.rate.epoch_ended(self.best.signed(metrics[self.metric]))
        self._report(row)
        self.points.hasten()

    def evaluate(self, loader: BatchLoader) -> Evaluation:
        """Return the model's loss and outputs on these features, usable or not."""
        order = None
        if self.plan.misplaced is not None:
            order = self.plan.misplaced(loader.lengths, generator(self.config.seed, RandomStream.MISPLACEMENT))
        evaluation = evaluate(self.model, self.task, loader, self.group, self.config.model.precision, order)
        self.totals.evaluation_seconds += evaluation.seconds
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
        """Write a checkpoint from rank 0."""
        snapshot = snapshot_of(self, seconds_of_epoch)
        if snapshot is not None:
            self.checkpoints.save(self.position.step, snapshot)


def _parallel(model: nn.Module, group: ProcessGroup) -> nn.Module:
    if group.world_size == 1:
        return model
    devices = [group.device] if group.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True)
