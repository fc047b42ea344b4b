"""What a step has to compute and what the device could compute: operations of the model, rate of a matrix product."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trainables.config import Precision
from trainables.data.batch_loader import Feed
from trainables.data.batching import Indices
from trainables.system import torch_private
from trainables.system.precision import DTYPES, autocast
from trainables.training.evaluation import forward_inputs
from trainables.training.trainer import Training

SIZES = {"cpu": 2048, "cuda": 8192}  # edge of the square matrices: large enough for the device's best rate
REPETITIONS = 5


@dataclass(frozen=True)
class Positions:
    """Positions that the model computes, and how many of them hold a piece of an item."""

    computed: int
    real: int

    @property
    def waste(self) -> float:
        """Share of the computed positions that are padding, in [0, 1)."""
        return 1.0 - self.real / max(1, self.computed)


def positions(feed: Feed, batches: Sequence[Indices], unpadded: bool = False) -> Positions:
    """The positions of these batches, as the feed pads them; `unpadded`: padding is not computed."""
    computed = real = 0
    for rows in batches:
        batch = feed.batch(rows)
        size = batch["input_ids"].numel()
        pieces = int(batch["attention_mask"].sum()) if "attention_mask" in batch else size
        computed += pieces if unpadded else size
        real += pieces
    return Positions(computed, real)


def operations_per_token(training: Training, batches: Sequence[Indices]) -> float:
    """Floating-point operations of matrix products that training on one real piece needs, forward and backward.

    Counted on these batches without any compilation. A backward pass needs at most twice what its forward pass does
    (Kaplan et al. 2020, arXiv:2001.08361): what is counted beyond that is recomputation, which is left out. Work on
    padding is left out by its share. Weights in four bits and attention kernels that torch does not know count nothing.
    """
    forward = backward = 0
    with _as_written(training.group.device):
        for rows in batches:
            first, second = _counted(training, rows)
            forward, backward = forward + first, backward + min(second, 2 * first)
    found = positions(training.train, batches, training.plan.unpadded)
    return (forward + backward) / max(1, found.computed)


def _counted(training: Training, rows: Indices) -> tuple[int, int]:
    """Operations of one forward and of its backward pass."""
    inputs = training.task.vary(training.train.batch(rows), rows, 0)
    counter: Any = FlopCounterMode(display=False)
    with counter:
        with autocast(training.config.model.precision, training.group.device):
            outputs = training.parallel(**forward_inputs(training.task, inputs))
        loss = training.task.loss(outputs, inputs)
        forward = int(counter.get_total_flops())
        loss.backward()
    training.stepper.optimizer.zero_grad(set_to_none=True)
    return forward, int(counter.get_total_flops()) - forward


@contextmanager
def _as_written(device: torch.device) -> Iterator[None]:
    """Compiled parts run as they were written; on the CPU attention too, whose fused kernel is not counted."""
    with ExitStack() as stack:
        if torch_private.may_have_compiled():
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if device.type == "cpu":
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def matrix_product_rate(device: torch.device, precision: Precision, size: int | None = None) -> float:
    """Floating-point operations per second of the best of five products of two square matrices."""
    edge = size or SIZES[device.type]
    dtype = DTYPES.get(precision, torch.float32)
    left, right = (torch.randn(edge, edge, device=device).to(dtype) for _ in range(2))
    out = left @ right
    seconds = []
    for _ in range(REPETITIONS):
        wait(device)
        started = time.perf_counter()
        torch.mm(left, right, out=out)
        wait(device)
        seconds.append(time.perf_counter() - started)
    return 2.0 * edge**3 / min(seconds)


def wait(device: torch.device) -> None:
    """Until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
