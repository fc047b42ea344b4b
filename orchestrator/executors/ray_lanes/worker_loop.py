"""The train function of a lane: every worker executes run after run, each asking on its own for the next one."""

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
from orchestrator.executors.shared_storage_check import Preflight
from orchestrator.storage import Store
from orchestrator.worker.execute import execute_run
from orchestrator.worker.versions import Provenance
from trainables.training.control_points import Progress, Request
from trainables.training.distributed import Group
from trainables.training.run import Layout
from trainables.training.run_cache import Warm


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
    layout: Layout
    provenance: Provenance
    preflight: Preflight


@dataclass(frozen=True)
class Seat:
    """A worker's place: its gang within its lane, and how it speaks to the control actor."""

    setup: LaneSetup
    gang_id: str
    group: Group

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the control actor and wait. Raises RayActorError once the actor is gone."""
        return ray.get(getattr(self.setup.control, method).remote(*arguments))


@dataclass(frozen=True)
class SeatControl:
    """What a training asks and tells while a run is on. Without its control actor a run stops, with a checkpoint."""

    seat: Seat
    work: Work

    def poll(self, progress: Progress) -> Request:
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
    group = Group.current(ray.train.torch.get_device())
    seat = Seat(setup, group.shared(secrets.token_hex(8)), group)
    problem = shared_storage_check.check(setup.preflight, shared_storage_check.answer_of(setup.lane, group.rank))
    try:
        seat.ask("join", setup.lane, seat.gang_id, group.world_size, _member(group), problem)
        return _serve(seat, Store.open(setup.out, setup.owner))
    except RayActorError:
        return "the control actor is gone"


def _serve(seat: Seat, store: Store) -> str:
    warm, memory, number, leaking = Warm(), Memory(seat.group.device), 0, None
    while True:
        answer = seat.ask("next", seat.setup.lane, seat.gang_id, seat.group.rank, number, leaking)
        if isinstance(answer, Work):
            _execute(seat, store, warm, answer)
            leaking, number = memory.leak(warm), number + 1
        elif answer == "retire":
            return "retired"
        elif answer == "recycle":
            raise LaneRecycled(f"lane {seat.setup.lane} gets fresh processes")


def _execute(seat: Seat, store: Store, warm: Warm, work: Work) -> None:
    try:
        finished = execute_run(
            work.run,
            store,
            group=seat.group,
            warm=warm,
            control=SeatControl(seat, work),
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


def _member(group: Group) -> Member:
    return Member(
        rank=group.rank,
        pid=os.getpid(),
        node_id=ray.get_runtime_context().get_node_id(),
        host=socket.gethostname(),
        placement_group=get_current_placement_group(),
    )
