"""The train function of a lane: every worker executes run after run, each asking on its own for the next one.

A worker whose memory grows from run to run is replaced by a fresh process.
"""

from __future__ import annotations

import gc
import os
import secrets
import socket
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import ray
import ray.train.torch
import torch
from ray.exceptions import RayActorError
from ray.util.placement_group import get_current_placement_group

from orchestrator.executors import shared_storage_check
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.state import Member, Work
from orchestrator.executors.shared_storage_check import SharedStorageCheck
from orchestrator.storage import Store
from orchestrator.worker.execute import execute_run
from orchestrator.worker.versions import Provenance
from trainables.system.memory import return_freed_memory
from trainables.training.control_points import Request, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions
from trainables.training.token_cache import RunCache

GIB = 1024**3
HOST_ALLOWANCE_GIB = 2.0
DEVICE_ALLOWANCE_GIB = 0.5


class Memory:
    """Memory after the first run is the baseline; later runs are compared with it, freed pages taken off.

    What is alive then (modules, warm data) stays, and is taken out of the collector's sight: a full collection after
    every run then takes milliseconds instead of 0.3 s (docs/experiments.md).
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._baseline: tuple[float, float] | None = None

    def leak(self, warm: RunCache) -> str | None:
        """What has leaked, in words, or None. What is kept warm is let go first where memory has grown."""
        if self._baseline is None:
            self._baseline = self._measured()
            gc.freeze()
            return None
        if self._growth(self._measured()) is None:
            return None
        return_freed_memory()
        if self._growth(self._measured()) is None:
            return None
        warm.clear()
        gc.unfreeze()
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return_freed_memory()
        return self._growth(self._measured())

    def _measured(self) -> tuple[float, float]:
        device = torch.cuda.memory_allocated(self._device) / GIB if self._device.type == "cuda" else 0.0
        return psutil.Process().memory_info().rss / GIB, device

    def _growth(self, now: tuple[float, float]) -> str | None:
        assert self._baseline is not None, "the first run sets the baseline"
        allowances = (HOST_ALLOWANCE_GIB, DEVICE_ALLOWANCE_GIB)
        for place, before, after, allowance in zip(("host", "device"), self._baseline, now, allowances, strict=True):
            if policy.leaks(before, after, allowance):
                return f"{place} memory grew from {before:.1f} to {after:.1f} GiB between runs"
        return None


class LaneRecycled(Exception):
    """Leaves the train function so that Train replaces the processes of this gang."""


@dataclass(frozen=True)
class LaneSetup:
    """What a lane's workers are told once. `out` is absolute or a URI; `control` is the actor's handle."""

    lane: int
    control: Any
    out: str
    owner: str
    threads: int
    layout: ComputeOptions
    provenance: Provenance
    preflight: SharedStorageCheck


@dataclass(frozen=True)
class WorkerContext:
    """A worker's place: its gang within its lane, and how it speaks to the control actor."""

    setup: LaneSetup
    gang_id: str
    group: ProcessGroup

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the control actor and wait. Raises RayActorError once the actor is gone."""
        return ray.get(getattr(self.setup.control, method).remote(*arguments))


@dataclass(frozen=True)
class WorkerControl:
    """What a training asks and tells while a run is on. Without its control actor a run stops, with a checkpoint."""

    seat: WorkerContext
    work: Work

    def poll(self, progress: RunProgress) -> Request:
        """The board's wish for this run."""
        try:
            answer: Request = self.seat.ask("poll", self.seat.setup.lane, self.seat.gang_id)
        except RayActorError:
            return "stop"
        return answer

    def report(self, row: Mapping[str, Any]) -> None:
        """Send the epoch's row without waiting."""
        self.seat.setup.control.report.remote(self.seat.setup.lane, self.seat.gang_id, dict(row))

    def all_ranks_raised(self) -> bool:
        """Ask outside the process group, where a rank may be stuck in a collective."""
        group = self.seat.group
        raised: bool = self.seat.ask("raised", self.seat.gang_id, group.rank, self.work.number, group.world_size)
        return raised


def serve(setup: LaneSetup) -> str:
    """Execute runs until the lane is told to retire; returns why it ended.

    Raises LaneRecycled for fresh processes, and whatever only some of the ranks raised in a run.
    """
    torch.set_num_threads(setup.threads)
    group = ProcessGroup.current(ray.train.torch.get_device())
    seat = WorkerContext(setup, group.shared(secrets.token_hex(8)), group)
    problem = shared_storage_check.check(setup.preflight, shared_storage_check.answer_of(setup.lane, group.rank))
    try:
        seat.ask("join", setup.lane, seat.gang_id, group.world_size, _member(group), problem)
        return _serve(seat, Store.open(setup.out, setup.owner))
    except RayActorError:
        return "the control actor is gone"


def _serve(seat: WorkerContext, store: Store) -> str:
    warm, memory, number, leaking = RunCache(), Memory(seat.group.device), 0, None
    while True:
        answer = seat.ask("next", seat.setup.lane, seat.gang_id, seat.group.rank, number, leaking)
        if isinstance(answer, Work):
            _execute(seat, store, warm, answer)
            leaking, number = memory.leak(warm), number + 1
        elif answer == "retire":
            return "retired"
        elif answer == "recycle":
            raise LaneRecycled(f"lane {seat.setup.lane} gets fresh processes")


def _execute(seat: WorkerContext, store: Store, warm: RunCache, work: Work) -> None:
    try:
        finished = execute_run(
            work.run,
            store,
            group=seat.group,
            warm=warm,
            control=WorkerControl(seat, work),
            attempt=work.attempt,
            layout=seat.setup.layout,
            provenance=seat.setup.provenance,
        )
    except Exception as error:
        text = f"rank {seat.group.rank}: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        seat.ask("crash", seat.setup.lane, seat.gang_id, text)
        raise
    if seat.group.is_main:
        seat.ask("finish", seat.setup.lane, seat.gang_id, finished)


def _member(group: ProcessGroup) -> Member:
    return Member(
        rank=group.rank,
        pid=os.getpid(),
        node_id=ray.get_runtime_context().get_node_id(),
        host=socket.gethostname(),
        placement_group=get_current_placement_group(),
    )
