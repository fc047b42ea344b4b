"""The supervisor of one lane: fits a trainer whose workers stay up, and starts another when that one breaks."""

from __future__ import annotations

import functools
import logging
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.train.torch import TorchTrainer
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator import ray_private
from orchestrator.executors import hard_exit
from orchestrator.executors.events import Event, LaneWaiting
from orchestrator.executors.lanes.policy import LaneLayout, needs
from orchestrator.executors.lanes.state import Member
from orchestrator.executors.ray_lanes.rendezvous import LaneTorchConfig
from orchestrator.executors.ray_lanes.train_callbacks import Announcement, WorkerGroupWatch, first_line
from orchestrator.executors.ray_lanes.worker_loop import LaneSetup, serve

logger = logging.getLogger(__name__)
KILL_SECONDS = 20.0


@dataclass(frozen=True)
class LaneSupervisor:
    """Runs in a daemon thread of the driver until its lane has nothing more to do.

    `is_lost`: whether the cluster is gone. Ray must not be called then: a call after its shutdown ends the process with
    Ray's exit code.
    """

    setup: LaneSetup
    layout: LaneLayout
    storage: str
    on_event: Callable[[Event | Exception], None]
    is_lost: Callable[[], bool]

    def start(self) -> threading.Thread:
        """Supervise in a new daemon thread: `fit` cannot be interrupted, and the process must not wait for it."""
        return hard_exit.start_thread(f"lane {self.setup.lane}", self._run)

    def _run(self) -> None:
        try:
            while self._fit_once():
                logger.debug("lane %d: starting another trainer", self.setup.lane)
        except RayActorError as error:
            logger.debug("lane %d: the control actor is gone: %s", self.setup.lane, error)
        except Exception as error:  # noqa: BLE001 - an exception in a thread would be lost; the driver raises it
            self.on_event(error)

    def _fit_once(self) -> bool:
        """Fit one trainer to its end; True if another one should follow. Raises RayError without a control actor."""
        control, lane = self.setup.control, self.setup.lane
        reason = None
        try:
            self._trainer().fit()
        except (TrainingFailedError, RayError) as error:
            if self.is_lost():
                return False
            reason = first_line(error)
            _clean_up(ray.get(control.members.remote(lane)))
        again: bool = ray.get(control.leave.remote(lane, reason))
        if again:
            self.on_event(
                LaneWaiting(lane, f"{reason or 'its workers ended'}; it starts again with {needs(self.layout)}")
            )
        return again

    def _callbacks(self) -> list[Any]:
        control, lane = self.setup.control, self.setup.lane
        return [WorkerGroupWatch(control, lane), Announcement(control, lane)]

    def _trainer(self) -> TorchTrainer:
        resources = {"CPU": self.layout.cpus_per_worker}
        on_gpu = self.layout.gpus_per_worker > 0
        if on_gpu:
            resources["GPU"] = self.layout.gpus_per_worker
        train: Any = functools.partial(serve, self.setup)
        return ray_private.lane_trainer()(
            train,
            torch_config=LaneTorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=self.layout.workers_per_run, use_gpu=on_gpu, resources_per_worker=resources
            ),
            run_config=RunConfig(  # type: ignore[arg-type]
                name=f"lane {self.setup.lane}",
                storage_path=self.storage,
                failure_config=FailureConfig(max_failures=-1, controller_failure_limit=0),
                callbacks=self._callbacks(),
            ),
        )


def kill(members: Sequence[Member]) -> None:
    """SIGKILL the workers from a task on each node, which also ends stopped processes; wait a while for the tasks."""
    by_node: dict[str, list[int]] = defaultdict(list)
    for member in members:
        by_node[member.node_id].append(member.pid)
    tasks = [
        ray.remote(num_cpus=0, max_retries=0)(kill_here)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote(pids)
        for node, pids in by_node.items()
    ]
    ray.wait(tasks, num_returns=len(tasks), timeout=KILL_SECONDS) if tasks else None


def kill_here(pids: Sequence[int]) -> None:
    """SIGKILL the processes that are still Ray workers of this machine."""
    for pid in pids:
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and command.read_bytes().startswith(b"ray::"):
            os.kill(pid, signal.SIGKILL)


def _clean_up(members: Sequence[Member]) -> None:
    """Remove what a dead controller leaves behind: running workers, and the placement group that reserves for them."""
    try:
        kill(members)
        for group in {
            member.placement_group for member in members if isinstance(member.placement_group, PlacementGroup)
        }:
            remove_placement_group(group)
    except (GetTimeoutError, RayActorError) as error:
        logger.warning("a lane's remains could not be removed: %s", error)
