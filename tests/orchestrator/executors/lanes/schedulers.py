"""Schedulers for tests: four runs, and what workers and the driver send to a scheduler, in few words."""

from __future__ import annotations

from typing import Any

from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.scheduler import LaneScheduler
from orchestrator.executors.lanes.state import Member, ScheduledRun
from orchestrator.worker.failure import Finished
from tests.orchestrator.storage.stores import make_run

RUNS = [make_run(seed) for seed in range(4)]
A, B, C, D = (run.run_id for run in RUNS)


def new_scheduler(num_runs: int = 2, lanes: int = 1, **limits: Any) -> LaneScheduler:
    return LaneScheduler([ScheduledRun(run) for run in RUNS[:num_runs]], lanes, Limits(**limits), now=0.0)


def up(scheduler: LaneScheduler, lane: int = 0, group: str = "g1", world_size: int = 1, now: float = 0.0) -> None:
    for rank in range(world_size):
        scheduler.join(lane, group, world_size, Member(rank, 100 + rank, "node", f"host{rank}"), None, now)


def take(
    scheduler: LaneScheduler, number: int = 0, lane: int = 0, group: str = "g1", rank: int = 0, now: float = 0.0
) -> Any:
    return scheduler.next(lane, group, rank, number, None, now)


def done(
    scheduler: LaneScheduler, run_id: str, status: str = "completed", lane: int = 0, group: str = "g1", **more: Any
) -> None:
    scheduler.finish(lane, group, Finished(run_id, 1, status, **more), now=1.0)


def events(scheduler: LaneScheduler, *kinds: type) -> list[Any]:
    return [event for event, _ in scheduler.queue.events if isinstance(event, kinds)]
