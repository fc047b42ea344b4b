"""Checkpoints: everything a run needs to go on as if it had never stopped, verified by hashes before use.

A checkpoint is a folder `step-<n>`: tensors (safetensors), state (JSON), and a manifest with the SHA-256 of both,
written last. Two are kept. Nothing is pickled. Its tensors are those of the model, the optimizer, and the best
epoch's weights and outputs, under flat names.
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
        """Without a folder nothing is ever saved."""
        self._folder = folder
        self._seconds_between = seconds_between
        self._last = time.monotonic()
        self._order = self._steps()

    def due(self) -> bool:
        """True when the last checkpoint (or the start) lies longer back than the interval."""
        return self._folder is not None and time.monotonic() - self._last >= self._seconds_between

    def save(self, step: int, snapshot: Snapshot) -> bool:
        """Write a checkpoint, then drop all but the two written last. Returns whether it could be written.

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
        """The newest checkpoint whose hashes hold and that nothing speaks against.

        Damaged and refused ones are reported and passed over; the ones that are written now outlast them.
        """
        for name in reversed(self._steps()):
            assert self._folder is not None
            try:
                found = _read(self._folder.child(name))
            except (OSError, ValueError, KeyError) as error:
                logger.warning("checkpoint %s is damaged (%s); trying the one before", name, error)
                continue
            reason = why_not(found)
            if reason is None:
                self._written_last(name)
                return found
            logger.warning("checkpoint %s is not used: %s", name, reason)
        return None

    def clear(self) -> None:
        """Remove them all: the run has its record. One that cannot be removed is left, and said."""
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
            raise ValueError(f"{name} does not have the hash of its manifest")
    return Snapshot(load(files[TENSORS]), json.loads(files[STATE]))


Tensors = dict[str, torch.Tensor]


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


@dataclass(frozen=True)
class Arithmetic:
    """What the last digits of a result depend on beside the settings; a run keeps it from its first step to its last.

    `threads` is what torch uses in a worker; it decides nothing on "cuda".
    """

    workers: int
    accumulation: int
    device: str
    threads: int


class Resumable(Protocol):
    """What of a training changes while it runs, and where it runs: all that a checkpoint holds, or is put back into."""

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
    """Everything a training needs to go on; None but on rank 0, though all ranks call it alike.

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
    """Go on from the newest checkpoint, in the arithmetic that it was made with; whether there was one.

    All ranks call it alike. A checkpoint whose arithmetic cannot be had here is passed over, and the log says why. Sets
    torch's threads: see `own_threads`. Raises RuntimeError where the ranks found different checkpoints.
    """
    now = _arithmetic(training)
    processors = -int(training.group.maximum([-float(_processors())])[0])
    found = training.checkpoints.newest(partial(_why_not, now, processors))
    if found is not None:
        _take_over(_recorded(found.state, now), now)
        restore(training, found)
    steps = training.group.gather(training.position.step)
    if len(set(steps)) > 1:
        raise RuntimeError(f"the ranks found different checkpoints, of steps {steps}: they must see the same folder")
    return found is not None


@contextlib.contextmanager
def own_threads() -> Iterator[None]:
    """Whatever number of threads is taken over in the block, afterwards torch has the one from before."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def restore(training: Resumable, snapshot: Snapshot) -> None:
    """Continue from a checkpoint, as if the run had never stopped."""
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


def _arithmetic(training: Resumable) -> Arithmetic:
    group = training.group
    return Arithmetic(group.world_size, training.accumulation, group.device.type, torch.get_num_threads())


def _recorded(state: Mapping[str, Any], now: Arithmetic) -> Arithmetic:
    """How a checkpoint was computed; one of an earlier version says only how many workers there were."""
    known = state.get("arithmetic", {"workers": len(state["loss_sums"])})
    return Arithmetic(**{**asdict(now), **known})


def _why_not(now: Arithmetic, processors: int, snapshot: Snapshot) -> str | None:
    """What keeps a training from going on from a checkpoint; None where nothing does."""
    then = _recorded(snapshot.state, now)
    for name in ("workers", "accumulation", "device"):
        before, here = getattr(then, name), getattr(now, name)
        if before != here:
            return f"its {name} was {before} and is {here} now"
    if then.device == "cpu" and then.threads > max(processors, now.threads):
        return f"it was made by {then.threads} threads, and there are {processors} processors here"
    return None


def _take_over(then: Arithmetic, now: Arithmetic) -> None:
    if then.threads != now.threads and then.device == "cpu":
        logger.info("going on with as many threads as before: %d, not %d", then.threads, now.threads)
        torch.set_num_threads(then.threads)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
