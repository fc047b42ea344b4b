"""Checkpoints: everything a run needs to go on as if it had never stopped, verified by hashes before use.

A checkpoint is a folder `step-<n>` with tensors (safetensors), state (JSON), and a manifest with the SHA-256 of both,
written last. Two are kept. Nothing is pickled. The tensors belong to the model, the optimizer, and the best epoch's
weights and outputs, under flat names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from analysis.tables.folder import Folder
from trainables.data.features import Ragged
from trainables.training.best_weights import Best, changing, put_back
from trainables.training.distributed import ProcessGroup
from trainables.training.optimizer import LearningRate, OptimizerStep

logger = logging.getLogger(__name__)
KEPT = 2
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True)
class Snapshot:
    """Tensors by name, and the rest as plain JSON values."""

    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one run in one folder."""

    def __init__(self, folder: Folder | None, seconds_between: float) -> None:
        """Without a folder, nothing is ever saved."""
        self._folder = folder
        self._seconds_between = seconds_between
        self._last = time.monotonic()
        self._order = self._steps()

    def due(self) -> bool:
        """Return whether the last checkpoint (or the start) is longer ago than the interval."""
        return self._folder is not None and time.monotonic() - self._last >= self._seconds_between

    def save(self, step: int, snapshot: Snapshot) -> bool:
        """Write a checkpoint, then drop all but the two written last. Return whether it could be written.

        A full disk costs the checkpoint, never the run: the previous one stays.
        """
        if self._folder is None:
            return False
        self._last = time.monotonic()
        name = f"step-{step:09d}"
        target = self._folder.child(name)
        try:
            self._write(target, snapshot)
        except OSError as error:
            logger.warning("no checkpoint at step %d: %s cannot be written (%s)", step, target.uri, error)
            self._drop(name)
            return False
        self._written_last(name)
        for old in self._order[:-KEPT]:
            self._drop(old)
        self._order = self._order[-KEPT:]
        return True

    def newest(self, why_not: Callable[[Snapshot], str | None] = lambda snapshot: None) -> Snapshot | None:
        """Return the newest checkpoint that is undamaged and for which `why_not` returns None.

        Damaged and refused ones are logged and skipped; checkpoints written from now on outlast them.
        """
        for name in reversed(self._steps()):
            assert self._folder is not None
            try:
                snapshot = _read(self._folder.child(name))
            except (OSError, ValueError, KeyError) as error:
                logger.warning("checkpoint %s is damaged (%s); trying the one before", name, error)
                continue
            reason = why_not(snapshot)
            if reason is None:
                self._written_last(name)
                return snapshot
            logger.warning("checkpoint %s is not used: %s", name, reason)
        return None

    def clear(self) -> None:
        """Remove all checkpoints: the run has its record. Log those that cannot be removed."""
        for name in self._steps():
            self._drop(name)

    def _written_last(self, name: str) -> None:
        self._order = [*(other for other in self._order if other != name), name]

    def _drop(self, name: str) -> None:
        assert self._folder is not None
        try:
            self._folder.delete(name)
        except OSError as error:
            logger.warning("checkpoint %s cannot be removed (%s)", name, error)

    def _steps(self) -> list[str]:
        if self._folder is None:
            return []
        return sorted(name for name in self._folder.names() if name.startswith("step-"))

    @staticmethod
    def _write(target: Folder, snapshot: Snapshot) -> None:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in snapshot.tensors.items()}
        files = {TENSORS: save(tensors), STATE: json.dumps(snapshot.state).encode()}
        for name, data in files.items():
            target.write(name, data)
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        target.write(MANIFEST, json.dumps(hashes).encode())


def _read(source: Folder) -> Snapshot:
    hashes = json.loads(source.read(MANIFEST))
    files = {name: source.read(name) for name in (TENSORS, STATE)}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            raise ValueError(f"{name} does not match the hash in its manifest")
    return Snapshot(load(files[TENSORS]), json.loads(files[STATE]))


Tensors = dict[str, torch.Tensor]


@dataclass
class Position:
    """Where a run is: finished epochs, finished batches of the current epoch, finished optimizer steps."""

    epoch: int = 0
    batch: int = 0
    step: int = 0


@dataclass
class Totals:
    """A run's totals so far, over this and earlier attempts."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    items: int = 0
    tokens: int = 0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0


@dataclass(frozen=True)
class Arithmetic:
    """What the last digits of a result depend on besides the settings; it stays the same throughout a run.

    `threads` is the number of torch's threads in a worker; it does not matter on "cuda".
    """

    workers: int
    accumulation: int
    device: str
    threads: int


class Resumable(Protocol):
    """The parts of a training that a checkpoint saves and restores, and where the training runs."""

    model: nn.Module
    group: ProcessGroup
    accumulation: int
    checkpoints: Checkpoints
    position: Position
    totals: Totals
    rate: LearningRate
    optimizer_step: OptimizerStep
    best: Best
    loss_sum: Tensor
    norm: Tensor


def snapshot_of(training: Resumable, seconds_of_epoch: float) -> Snapshot | None:
    """Return everything a training needs to go on; None on all ranks but 0. All ranks must call it.

    Loss sums are kept per rank.
    """
    loss_sums = training.group.gather(float(training.loss_sum))
    if not training.group.is_main:
        return None
    totals, best = training.totals, training.best
    state = {
        "arithmetic": asdict(_arithmetic(training)),
        "position": vars(training.position),
        "totals": {**vars(totals), "train_seconds": totals.train_seconds + seconds_of_epoch},
        "loss_sums": loss_sums,
        "norm": float(training.norm),
        "rate": training.rate.state(),
        "best": {
            "epoch": best.epoch,
            "score": best.score,
            "epochs_since": best.epochs_since,
            "decisions": best.thresholds,
        },
        "stepper": training.optimizer_step.state(),
    }
    return Snapshot(tensors_of(training.model, training.optimizer_step.optimizer, best), state)


def resume(training: Resumable) -> bool:
    """Go on from the newest checkpoint, with the arithmetic it was made with. Return whether there was one.

    All ranks must call it. A checkpoint whose arithmetic is not possible here is skipped, and the log says why. Sets
    torch's number of threads: see `own_threads`. Raises RuntimeError if the ranks found different checkpoints.
    """
    now = _arithmetic(training)
    processors = -int(training.group.maximum([-float(_processors())])[0])
    snapshot = training.checkpoints.newest(partial(_why_not, now, processors))
    if snapshot is not None:
        _use_threads_of(_recorded(snapshot.state, now), now)
        restore(training, snapshot)
    steps = training.group.gather(training.position.step)
    if len(set(steps)) > 1:
        raise RuntimeError(f"the ranks found different checkpoints, of steps {steps}: they must see the same folder")
    return snapshot is not None


@contextlib.contextmanager
def own_threads() -> Iterator[None]:
    """Restore torch's number of threads after the block, which may change it."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def restore(training: Resumable, snapshot: Snapshot) -> None:
    """Put a checkpoint's state and tensors back into the training."""
    state, best = snapshot.state, training.best
    training.position, training.totals = Position(**state["position"]), Totals(**state["totals"])
    training.rate.restore(state["rate"])
    training.optimizer_step.restore(state["stepper"])
    kept = state["best"]
    best.epoch, best.score, best.epochs_since = kept["epoch"], kept["score"], kept["epochs_since"]
    best.thresholds = kept.get("decisions", {})
    restore_tensors(snapshot.tensors, training.model, training.optimizer_step.optimizer, best)
    training.loss_sum = torch.full_like(training.loss_sum, state["loss_sums"][training.group.rank])
    training.norm = torch.full_like(training.norm, state["norm"])


def tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer, best: Best) -> Tensors:
    """Return copies on the host, so that tied weights and views can be saved, without frozen weights."""
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
    """Put the tensors of `tensors_of` back. Raises RuntimeError if they belong to another model."""
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


def _arithmetic(training: Resumable) -> Arithmetic:
    group = training.group
    return Arithmetic(group.world_size, training.accumulation, group.device.type, torch.get_num_threads())


def _recorded(state: Mapping[str, Any], now: Arithmetic) -> Arithmetic:
    """Return how a checkpoint was computed; one of an earlier version records only the number of workers."""
    known = state.get("arithmetic", {"workers": len(state["loss_sums"])})
    return Arithmetic(**{**asdict(now), **known})


def _why_not(now: Arithmetic, processors: int, snapshot: Snapshot) -> str | None:
    """Return why a training cannot go on from a checkpoint, or None."""
    then = _recorded(snapshot.state, now)
    for name in ("workers", "accumulation", "device"):
        before, here = getattr(then, name), getattr(now, name)
        if before != here:
            return f"its {name} was {before} and is {here} now"
    if then.device == "cpu" and then.threads > max(processors, now.threads):
        return f"it was made by {then.threads} threads, and there are {processors} processors here"
    return None


def _use_threads_of(then: Arithmetic, now: Arithmetic) -> None:
    if then.threads != now.threads and then.device == "cpu":
        logger.info("going on with as many threads as before: %d, not %d", then.threads, now.threads)
        torch.set_num_threads(then.threads)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten to one level: some optimizers return their scales in an inner dictionary, but load them without it."""
    inner = [value for value in state.values() if isinstance(value, Mapping)]
    own = {name: value for name, value in state.items() if not isinstance(value, Mapping)}
    return {**own, **{name: value for values in inner for name, value in values.items()}}


def _is_count(tensor: torch.Tensor) -> bool:
    """Return whether this was a Python integer: torch's own optimizers count steps in float32."""
    return tensor.ndim == 0 and tensor.dtype == torch.int64


def _below(tensors: Mapping[str, torch.Tensor], prefix: str) -> Tensors:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
