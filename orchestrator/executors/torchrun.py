"""Lets the processes that torchrun started compute runs together: rank 0 leads, and the others follow."""

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


class PartialFailure(UserError):
    """Only some of the ranks that compute a run together raised, so they can no longer go on together."""

    exit_code = EXIT_FAILED_RUNS


@dataclass(frozen=True)
class RankWork:
    """What every rank executes, and where the results go."""

    runs: Sequence[RunSpec]
    out: str
    owner: str
    limits: Limits
    layout: ComputeOptions
    provenance: Provenance


class Ranks:
    """This process's view of all ranks. `store` is for messages that must not wait inside the process group.

    `at_work`: work is in progress; a rank that ends now does not notify the others, which may be waiting anywhere.
    """

    def __init__(self, group: ProcessGroup, store: Any) -> None:
        self.group = group
        self._store = store
        self.at_work = False

    def lead(self, main: Callable[[Ranks], Value]) -> Value:
        """Call `main` as rank 0; when it ends, however it ends, the other ranks end too."""
        try:
            return main(self)
        finally:
            if not self.at_work:
                self.group.shared(None)

    def assigned_work(self) -> Iterator[RankWork]:
        """Yield, on the other ranks, what rank 0 has them execute."""
        while (work := self.group.shared(None)) is not None:
            yield work

    @contextlib.contextmanager
    def working(self, work: RankWork) -> Iterator[None]:
        """Hand out the work as rank 0, then do it in the block, on all ranks. A rank that raises there stays out."""
        if self.group.is_main:
            self.group.shared(work)
        self.at_work = True
        yield
        self.at_work = False

    def all_raised(self, work: str) -> bool:
        """Note that this rank raised; return whether every rank did within seconds, the same result for all."""
        if self._store.add(f"raised {work}", 1) == self.group.world_size:
            return self._settled(work, "together")
        with contextlib.suppress(dist.DistStoreError):
            self._store.wait([f"settled {work}"], RAISED_TOGETHER)
        return self._settled(work, "apart")

    def is_first(self, work: str) -> bool:
        """Return True to the first rank that asks, and False to the others."""
        return bool(self._store.add(f"asked {work}", 1) == 1)

    def _settled(self, work: str, result: str) -> bool:
        """Settle how the work ended: the first result counts."""
        return bool(self._store.compare_set(f"settled {work}", "", result) == b"together")


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes that torchrun started, each with its own device on this machine.

    Raises UserError if this machine has fewer devices than processes.
    """
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, loopback.interface())
    device = _own_device()
    # renamed in torch 2.13; torch 2.11 only knows the old name
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
    number, num_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= num_gpus:
        raise UserError(
            f"process {number} on this machine has no GPU of its own: there are {num_gpus}; start one process per GPU "
            "(torchrun --nproc-per-node), or use no GPU (CUDA_VISIBLE_DEVICES=)"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)
