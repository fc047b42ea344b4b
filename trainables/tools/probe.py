"""Trains a few steps at full length, to see whether a model stays finite and fits, before any GPU hour is spent.

`run_all` takes `{"config": RunConfig, "lengths": [...], "precisions": [...], "steps": n}` and yields one result per
probe. It is called in a fresh process (`system/fresh_process.py`), so that a crash breaks nothing else.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from trainables.config import Precision, RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.features import Array, Features, Ragged
from trainables.modeling.hf_errors import first_line
from trainables.system.hardware import this_machine
from trainables.system.memory import peak_memory_gib, reset_peak_memory
from trainables.system.precision import autocast
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import forward_inputs
from trainables.training.optimizer import OptimizerStep
from trainables.training.setup import Prepared, prepare
from trainables.training.token_cache import RunCache

Result = Literal["finite", "not finite", "out of memory", "failed", "not here"]


@dataclass(frozen=True)
class Probe:
    """How the steps at one length and in one precision went. `skipped` counts steps whose fp16 gradient overflowed."""

    length: int
    precision: Precision
    result: Result
    reason: str | None = None
    loss: float | None = None
    step_seconds: float | None = None
    peak_memory_gib: float | None = None
    skipped: int = 0


def probe(
    config: RunConfig, length: int, precision: Precision, steps: int, device: torch.device, cache: RunCache
) -> Probe:
    """Train `steps` batches whose items are repeated until they are `length` tokens long."""
    if not this_machine().supports(precision):
        return Probe(length, precision, "not here", f"{this_machine().device} does not compute in {precision} natively")
    model = config.model.model_copy(update={"precision": precision})
    train = config.train.model_copy(update={"max_length": length})
    try:
        prepared = prepare(config.model_copy(update={"model": model, "train": train}), device, cache)
        with prepared.around():
            return _steps(prepared, config.model_copy(update={"model": model, "train": train}), steps, device)
    except (MemoryError, torch.OutOfMemoryError) as error:
        return Probe(length, precision, "out of memory", first_line(error))
    except (RuntimeError, ValueError, IndexError) as error:
        return Probe(length, precision, "failed", first_line(error))


def stretched(features: Features, length: int, targets: Sequence[str]) -> Features:
    """Repeat every feature's tokens until it is exactly `length` tokens long; fixed columns stay as they are.

    Where each token has its own target, the number of loss terms grows in proportion.
    """
    columns = {
        name: ragged if name in features.fixed else _stretched(ragged, length)
        for name, ragged in features.columns.items()
    }
    terms = features.terms
    if set(targets) & (set(columns) - features.fixed):
        terms = np.ceil(terms * (length / features.lengths)).astype(np.int32)
    return replace(features, columns=columns, terms=terms, extra={})


def _stretched(ragged: Ragged, length: int) -> Ragged:
    rows: list[Array] = [np.resize(ragged.row(index), length) for index in range(len(ragged))]
    return Ragged.from_rows(rows, ragged.values.dtype)


def _steps(prepared: Prepared, config: RunConfig, steps: int, device: torch.device) -> Probe:
    length, precision = config.train.max_length, config.model.precision
    part = prepared.parts["train"].features
    rows = np.resize(np.arange(len(part)), config.train.batch_size * steps)
    loader = BatchLoader(stretched(part.take(rows), length, prepared.task.targets), device)
    optimizer_step = OptimizerStep.create(prepared.model, config.train, precision, device, prepared.plan.optimizer)
    prepared.model.train()
    reset_peak_memory(device)
    loss, seconds = math.nan, []
    for step in range(steps):
        started = time.perf_counter()
        batch = np.arange(step * config.train.batch_size, (step + 1) * config.train.batch_size)
        inputs = prepared.task.augment(loader.batch(batch), batch, step)
        with autocast(precision, device):
            outputs = prepared.model(**forward_inputs(prepared.task, inputs))
        summed = prepared.task.loss(outputs, inputs)
        mean = summed / max(1, int(loader.terms[batch].sum()))
        optimizer_step.backward(mean)
        norm, applied = optimizer_step.step(config.train.learning_rate)
        loss = float(mean.detach())
        seconds.append(time.perf_counter() - started)
        if not math.isfinite(loss) or (applied and not math.isfinite(float(norm))):
            what = "loss" if not math.isfinite(loss) else "gradient"
            return Probe(length, precision, "not finite", f"the {what} is not finite at step {step}")
    measured = float(np.median(seconds[1:] or seconds)), peak_memory_gib(device)
    return Probe(length, precision, "finite", None, loss, *measured, skipped=optimizer_step.skipped)


def run_all(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Probe every length in every precision, shortest first; after running out of memory, skip the longer ones."""
    config = RunConfig.model_validate_json(json.dumps(request["config"]))
    device, cache = ProcessGroup.current().device, RunCache()
    for precision in request["precisions"]:
        for length in sorted(request["lengths"]):
            result = probe(config, length, precision, request["steps"], device, cache)
            yield asdict(result)
            if result.result == "out of memory":
                break
