"""Boards to play on: four runs, and what workers and the driver say to a board, in few words."""

from __future__ import annotations

from typing import Any

from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.scheduler import LaneScheduler
from orchestrator.executors.lanes.state import Member, ScheduledRun
from orchestrator.worker.failure import Finished
from tests.orchestrator.storage.stores import make_run

RUNS = [make_run(seed) for seed in range(4)]
A, B, C, D = (run.run_id for run in RUNS)


def board(num_runs: int = 2, lanes: int = 1, **limits: Any) -> LaneScheduler:
    return LaneScheduler([ScheduledRun(run) for run in RUNS[:num_runs]], lanes, Limits(**limits), now=0.0)


def up(found: LaneScheduler, lane: int = 0, gang: str = "g1", world_size: int = 1, now: float = 0.0) -> None:
    for rank in range(world_size):
        found.join(lane, gang, world_size, Member(rank, 100 + rank, "node", f"host{rank}"), None, now)


def take(
    found: LaneScheduler, number: int = 0, lane: int = 0, gang: str = "g1", rank: int = 0, now: float = 0.0
) -> Any:
    return found.next(lane, gang, rank, number, None, now)


def done(
    found: LaneScheduler, run_id: str, status: str = "completed", lane: int = 0, gang: str = "g1", **more: Any
) -> None:
    found.finish(lane, gang, Finished(run_id, 1, status, **more), now=1.0)


def told(found: LaneScheduler, *kinds: type) -> list[Any]:
    return [event for event, _ in found.book.told if isinstance(event, kinds)]
