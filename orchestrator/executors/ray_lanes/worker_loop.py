"""The train function of a lane: each worker asks for one run after another and executes it."""

from __future__ import annotations

import os
import secrets
import socket
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
import ray.train.torch
import torch
from ray.exceptions import RayActorError
from ray.util.placement_group import get_current_placement_group

from orchestrator.executors import shared_storage_check
from orchestrator.executors.lanes.state import Member, Work
from orchestrator.executors.ray_lanes.memory_leak import Memory
from orchestrator.executors.shared_storage_check import SharedStorageCheck
from orchestrator.storage import Store
from orchestrator.worker.execute import execute_run
from orchestrator.worker.versions import Provenance
from trainables.training.control_points import Request, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions
from trainables.training.token_cache import RunCache


class LaneRecycled(Exception):
    """Leaves the train function so that Train replaces the processes of this worker group."""


@dataclass(frozen=True)
class LaneSetup:
    """What a lane's workers need to start. `out` is an absolute path or a URI; `control` is the actor's handle."""

    lane: int
    control: Any
    out: str
    owner: str
    threads: int
    layout: ComputeOptions
    provenance: Provenance
    storage_check: SharedStorageCheck


@dataclass(frozen=True)
class WorkerContext:
    """A worker's lane and group, and its connection to the control actor."""

    setup: LaneSetup
    group_id: str
    group: ProcessGroup

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the control actor and return its result. Raises RayActorError once the actor is gone."""
        return ray.get(getattr(self.setup.control, method).remote(*arguments))


@dataclass(frozen=True)
class WorkerControl:
    """What a training uses to ask for requests and to report. Without a control actor the run stops, checkpointed."""

    context: WorkerContext
    work: Work

    def poll(self, progress: RunProgress) -> Request:
        """Return what the lane scheduler asks of this run."""
        try:
            request: Request = self.context.ask("poll", self.context.setup.lane, self.context.group_id)
        except RayActorError:
            return "stop"
        return request

    def report(self, row: Mapping[str, Any]) -> None:
        """Send the epoch's row, without waiting."""
        self.context.setup.control.report.remote(self.context.setup.lane, self.context.group_id, dict(row))

    def all_ranks_raised(self) -> bool:
        """Return whether all ranks raised, asked outside the process group: a rank may be stuck in a collective."""
        group = self.context.group
        raised: bool = self.context.ask("raised", self.context.group_id, group.rank, self.work.number, group.world_size)
        return raised


def serve(setup: LaneSetup) -> str:
    """Execute runs until the lane retires; return why it ended.

    Raises LaneRecycled to get fresh processes, and exceptions that only some of the ranks raised in a run.
    """
    torch.set_num_threads(setup.threads)
    group = ProcessGroup.current(ray.train.torch.get_device())
    context = WorkerContext(setup, group.shared(secrets.token_hex(8)), group)
    problem = shared_storage_check.check(setup.storage_check, shared_storage_check.reply_name(setup.lane, group.rank))
    try:
        context.ask("join", setup.lane, context.group_id, group.world_size, _member(group), problem)
        return _serve(context, Store.open(setup.out, setup.owner))
    except RayActorError:
        return "the control actor is gone"


def _serve(context: WorkerContext, store: Store) -> str:
    cache, memory, number, leaking = RunCache(), Memory(context.group.device), 0, None
    while True:
        reply = context.ask("next", context.setup.lane, context.group_id, context.group.rank, number, leaking)
        if isinstance(reply, Work):
            _execute(context, store, cache, reply)
            leaking, number = memory.leak(cache), number + 1
        elif reply == "retire":
            return "retired"
        elif reply == "recycle":
            raise LaneRecycled(f"lane {context.setup.lane} gets fresh processes")


def _execute(context: WorkerContext, store: Store, cache: RunCache, work: Work) -> None:
    try:
        finished = execute_run(
            work.run,
            store,
            group=context.group,
            cache=cache,
            control=WorkerControl(context, work),
            attempt=work.attempt,
            layout=context.setup.layout,
            provenance=context.setup.provenance,
        )
    except Exception as error:
        text = f"rank {context.group.rank}: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        context.ask("crash", context.setup.lane, context.group_id, text)
        raise
    if context.group.is_main:
        context.ask("finish", context.setup.lane, context.group_id, finished)


def _member(group: ProcessGroup) -> Member:
    return Member(
        rank=group.rank,
        pid=os.getpid(),
        node_id=ray.get_runtime_context().get_node_id(),
        host=socket.gethostname(),
        placement_group=get_current_placement_group(),
    )
