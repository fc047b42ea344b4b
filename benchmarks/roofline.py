"""The least time a step can take on this device: every operation bound by arithmetic or by memory, whichever is slower.

Roofline after Williams et al. 2009 (doi:10.1145/1498765.1498785), operation by operation as they are executed: seconds
= max(operations / rate of a matrix product, bytes read and written / memory rate). Both rates are measured here, the
memory rate for several sizes, because small tensors stay in the caches.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from trainables.config import Precision
from trainables.data.batching import Indices
from trainables.tools.profile import matrix_product_rate, wait
from trainables.training.trainer import Training

MEGABYTES = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)  # read and written by one copy


@dataclass(frozen=True)
class Ceilings:
    """What a device reaches: operations per second of a matrix product, bytes per second by bytes of one operation."""

    operations_per_second: float
    bytes_per_second: dict[float, float]

    def memory_rate(self, num_bytes: float) -> float:
        """Of the smallest measured size that holds so many bytes."""
        sizes = sorted(self.bytes_per_second)
        return self.bytes_per_second[sizes[min(bisect_left(sizes, num_bytes), len(sizes) - 1)]]

    def seconds(self, operations: float, num_bytes: float) -> float:
        """The least time of an operation."""
        return max(operations / self.operations_per_second, num_bytes / self.memory_rate(num_bytes))


def ceilings(device: torch.device, precision: Precision, edge: int | None = None) -> Ceilings:
    """Measure both rates on this device with the threads that this process has."""
    rates = {size * 1e6: copy_rate(device, size * 1e6) for size in MEGABYTES}
    return Ceilings(matrix_product_rate(device, precision, edge), rates)


def copy_rate(device: torch.device, num_bytes: float) -> float:
    """Bytes per second, read and written, of the best of several copies; sources stay where they are."""
    count = int(num_bytes / 8)
    source, target = (torch.ones(count, dtype=torch.float32, device=device) for _ in range(2))
    repetitions = max(4, math.ceil(5e6 / num_bytes))
    best = math.inf
    for _ in range(5):
        wait(device)
        started = time.perf_counter()
        for _ in range(repetitions):
            target.copy_(source)
        wait(device)
        best = min(best, (time.perf_counter() - started) / repetitions)
    return count * 8 / best


class Account(TorchDispatchMode):
    """Adds up operations, bytes and least seconds of all that is executed while it is entered. Views are free."""

    def __init__(self, limits: Ceilings) -> None:
        super().__init__()
        self.limits = limits
        self.operations = self.bytes = self.seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Execute, and account for it."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            written = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
            moved = float(sum(tensor.numel() * tensor.element_size() for tensor in (*read, *written)))
            counted = flop_registry.get(func._overloadpacket)
            operations = 0.0 if counted is None else float(counted(*args, **(kwargs or {}), out_val=out))
            self.operations += operations
            self.bytes += moved
            self.seconds += self.limits.seconds(operations, moved)
        return out


def least_seconds(training: Training, batches: list[Indices], limits: Ceilings) -> float:
    """The least time of these optimizer steps, as the loop executes them."""
    account = Account(limits)
    with account:
        for batch in batches:
            training.step(batch)
    return account.seconds
