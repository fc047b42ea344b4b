"""The processes that torchrun started to compute a run together: rank 0 leads, and the others do as it orders."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]

from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import EXIT_FAILED_RUNS, UserError
from orchestrator.executors import loopback
from orchestrator.executors.lanes.policy import Limits
from orchestrator.worker.versions import Provenance
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions

RAISED_TOGETHER = timedelta(seconds=5)
Value = TypeVar("Value")


class Parted(UserError):
    """Ranks that computed a run together no longer do: some of them raised, and the others did not."""

    exit_code = EXIT_FAILED_RUNS


@dataclass(frozen=True)
class Order:
    """What every rank is to execute, and where the results go."""

    runs: Sequence[RunSpec]
    out: str
    owner: str
    limits: Limits
    layout: ComputeOptions
    provenance: Provenance


class Ranks:
    """All ranks have one. `store` is for what may not wait inside the process group.

    `at_work`: in the middle of an order; whoever ends then does not tell the others, which may wait for anything.
    """

    def __init__(self, group: ProcessGroup, store: Any) -> None:
        self.group = group
        self._store = store
        self.at_work = False

    def lead(self, main: Callable[[Ranks], Value]) -> Value:
        """Rank 0's part; however it ends, the other ranks end, too."""
        try:
            return main(self)
        finally:
            if not self.at_work:
                self.group.shared(None)

    def orders(self) -> Iterator[Order]:
        """The other ranks' part: what rank 0 has them execute, one after another."""
        while (order := self.group.shared(None)) is not None:
            yield order

    @contextlib.contextmanager
    def working(self, order: Order) -> Iterator[None]:
        """Rank 0 gives the order, and all ranks carry it out in the block. One that raises there never comes back."""
        if self.group.is_main:
            self.group.shared(order)
        self.at_work = True
        yield
        self.at_work = False

    def all_raised(self, work: str) -> bool:
        """Tell that this rank raised in that work; whether every rank did within seconds, the same answer for all."""
        if self._store.add(f"raised {work}", 1) == self.group.world_size:
            return self._settled(work, "together")
        with contextlib.suppress(dist.DistStoreError):
            self._store.wait([f"settled {work}"], RAISED_TOGETHER)
        return self._settled(work, "apart")

    def is_first(self, work: str) -> bool:
        """True for the one rank that asks first."""
        return bool(self._store.add(f"asked {work}", 1) == 1)

    def _settled(self, work: str, answer: str) -> bool:
        """The first answer counts."""
        return bool(self._store.compare_set(f"settled {work}", "", answer) == b"together")


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes that torchrun started, each with the device of its number on this machine.

    Raises UserError where this machine has fewer devices than processes.
    """
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, loopback.interface())
    device = _own_device()
    # torch 2.13 has another name for it, which 2.11 does not know
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    store, rank, world_size = next(rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=PrefixStore("group", store), rank=rank, world_size=world_size)
    ranks = Ranks(ProcessGroup.current(device), PrefixStore("ranks", store))
    try:
        yield ranks
    finally:
        if not ranks.at_work:
            dist.destroy_process_group()


def _own_device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise UserError(
            f"process {number} of this machine has no GPU of its own: there are {there}; start as many processes "
            "(torchrun --nproc-per-node), or none with a GPU (CUDA_VISIBLE_DEVICES=)"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)
