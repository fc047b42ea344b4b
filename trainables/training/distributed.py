"""The workers that train one run together: rank, device and the few exchanges that the loop needs besides DDP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class ProcessGroup:
    """Rank `rank` of `world_size` workers; for a single worker the exchanges are no-ops.

    Exchanges use CPU tensors (gloo), so that they never wait for the device.
    """

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def current(cls, device: torch.device | None = None) -> ProcessGroup:
        """Return this process's initialised process group, or a single worker."""
        device = device or default_device()
        if not dist.is_initialized():
            return cls(device=device)
        return cls(rank=dist.get_rank(), world_size=dist.get_world_size(), device=device)

    @property
    def is_main(self) -> bool:
        """Return whether this is the one rank that reports and writes."""
        return self.rank == 0

    def maximum(self, values: list[float]) -> list[float]:
        """Return the element-wise largest values over all ranks."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def total(self, values: list[float]) -> list[float]:
        """Return the element-wise sums over all ranks, in double precision."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def gather(self, value: Any) -> list[Any]:
        """Return the value of every rank, in rank order, on every rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def shared(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def _reduce(self, values: list[float], operation: Any) -> list[float]:
        if self.world_size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, op=operation)
        return [float(value) for value in tensor]


def default_device() -> torch.device:
    """Return the current CUDA device if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
