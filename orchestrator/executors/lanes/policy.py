"""Decisions of the executors as plain functions over values: layout, retries, failure budgets, memory leaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.errors import ClusterTooSmall
from orchestrator.worker.failure import Failure

LARGEST_LANE = 64
MEMORY_GIB_PER_CPU_WORKER = 4.0
ITEMS_THAT_FILL_A_WORKER = 8
EFFICIENCY_PER_DOUBLING = 0.9
WORKERS_PER_CPU = 4
THREADS_PER_GPU_WORKER = 16


@dataclass(frozen=True)
class Limits:
    """The bounds that keep a sweep from trying forever. Seconds are monotonic."""

    attempts_per_run: int = 3
    group_starts: int = 5
    stall_seconds: float = 600.0
    holder_seconds: float = 30.0
    start_seconds: float = 60.0


@dataclass(frozen=True)
class Node:
    """The resources of one machine of the cluster."""

    cpus: float
    gpus: float
    memory_gib: float


@dataclass(frozen=True)
class LaneLayout:
    """How many lanes there are, and what each worker reserves. `threads`: how many torch may use in a worker."""

    lanes: int
    workers_per_run: int
    cpus_per_worker: float
    gpus_per_worker: float
    threads: int


def may_retry(attempts: int, limits: Limits, kind: str, retriable: bool) -> bool:
    """Return whether a run that has failed `attempts` times in this sweep, last with `kind`, is tried again."""
    caps = {failure.word: failure.most_attempts for failure in Failure}
    cap = caps.get(kind)
    allowed = limits.attempts_per_run if cap is None else min(cap, limits.attempts_per_run)
    return (retriable or cap is not None) and attempts < allowed


def budget_is_spent(starts_without_end: int, limits: Limits) -> bool:
    """Return whether to give up a lane: this many worker groups in a row finished no run."""
    return starts_without_end >= limits.group_starts


def surplus(idle: Sequence[int], unassigned: int) -> tuple[int, ...]:
    """Return the idle lanes that no waiting run needs, highest number first."""
    ordered = sorted(idle, reverse=True)
    return tuple(ordered[: max(0, len(ordered) - unassigned)])


def leaks(baseline_gib: float, now_gib: float, allowance_gib: float) -> bool:
    """Return whether memory between two runs grew by more than the allowance and by more than half the baseline."""
    return now_gib - baseline_gib > max(allowance_gib, baseline_gib / 2)


def plan(
    num_runs: int,
    nodes: Sequence[Node],
    *,
    lanes: int | None = None,
    workers_per_run: int | Literal["auto"] = "auto",
    gpus_per_worker: float | None = None,
    batch_size: int = 16,
) -> LaneLayout:
    """Return the layout for `num_runs` runs on the nodes; None and "auto" choose what finishes the grid first.

    `num_runs` counts the whole grid (see `Scale`), and `batch_size` is its smallest global batch. `gpus_per_worker`
    None means one if the cluster has GPUs, else none. Raises ClusterTooSmall, with what the cluster has, if the layout
    can never fit.
    """
    asked = [num_runs, 1 if lanes is None else lanes, 1 if workers_per_run == "auto" else workers_per_run]
    if min(asked) < 1:
        raise ValueError(f"lanes, workers and runs must be at least 1, got {lanes}, {workers_per_run}, {num_runs}")
    gpus = gpus_per_worker if gpus_per_worker is not None else float(any(node.gpus >= 1 for node in nodes))
    if gpus > 0:
        return _plan_on_gpus(num_runs, nodes, lanes, workers_per_run, gpus, batch_size)
    return _plan_on_cpus(num_runs, nodes, lanes, 1 if workers_per_run == "auto" else workers_per_run)


def reduced(layout: LaneLayout, to_do: int) -> LaneLayout:
    """Return the layout with at most one lane per run to do; the lanes themselves do not change."""
    return replace(layout, lanes=min(layout.lanes, to_do))


def capacity(layout: LaneLayout, nodes: Sequence[Node]) -> int:
    """Return how many lanes of this layout the nodes can hold at a time."""
    if layout.gpus_per_worker:
        slots = [int(node.gpus / layout.gpus_per_worker + 1e-9) for node in nodes]
    else:
        slots = [int(node.cpus / layout.cpus_per_worker + 1e-9) for node in nodes]
    return _lanes_that_fit(slots, layout.workers_per_run)


def growth(before: int, now: int, open_lanes: int, waiting_runs: int) -> int:
    """Return how many lanes to add when the cluster's room has gone from `before` to `now` lanes.

    A lane that waits for room counts as open, so that the room on a returning node is not given away twice.
    """
    return max(0, min(now - open_lanes, waiting_runs)) if now > before else 0


def needs(layout: LaneLayout) -> str:
    """Describe what one lane needs, for example `8 x 12 CPUs and 1 GPUs`."""
    gpus = f" and {layout.gpus_per_worker:g} GPUs" if layout.gpus_per_worker else ""
    return f"{layout.workers_per_run} x {layout.cpus_per_worker:g} CPUs{gpus}"


def inventory(nodes: Sequence[Node]) -> str:
    """Describe what the cluster has, for example `2 CPUs and 0 GPUs on 1 node`."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return f"{cpus:g} CPUs and {gpus:g} GPUs on {len(nodes)} node{'' if len(nodes) == 1 else 's'}"


def _plan_on_gpus(
    num_runs: int,
    nodes: Sequence[Node],
    lanes: int | None,
    workers_per_run: int | Literal["auto"],
    gpus: float,
    batch_size: int,
) -> LaneLayout:
    if gpus < 1 and workers_per_run not in (1, "auto"):
        raise ClusterTooSmall("a fraction of a GPU is for lanes of one worker: two ranks cannot share a device")
    slots = [int(node.gpus / gpus + 1e-9) for node in nodes]
    if workers_per_run == "auto":
        workers = 1 if gpus < 1 else _fastest_workers(num_runs, slots, lanes, batch_size)
    else:
        workers = workers_per_run
    most = _lanes_that_fit(slots, workers)
    if most < (lanes or 1):
        wanted = f"{lanes or 1} x {workers} workers with {gpus:g} GPUs each"
        raise ClusterTooSmall(f"{wanted} can never start: the cluster has {inventory(nodes)}")
    share = min(node.cpus / count for node, count in zip(nodes, slots, strict=True) if count)
    cpus = min(_whole_or_fraction(share), THREADS_PER_GPU_WORKER)
    chosen = min(lanes or most, num_runs)
    return LaneLayout(chosen, workers, cpus, gpus, threads=max(1, int(cpus)))


def _plan_on_cpus(num_runs: int, nodes: Sequence[Node], lanes: int | None, workers: int) -> LaneLayout:
    total = sum(node.cpus for node in nodes)
    memory = sum(node.memory_gib for node in nodes)
    roomy = min(total, memory / MEMORY_GIB_PER_CPU_WORKER) / workers
    chosen = min(lanes or max(1, int(roomy)), num_runs)
    if chosen * workers > total * WORKERS_PER_CPU or workers > LARGEST_LANE:
        wanted = f"{chosen} x {workers} workers"
        limit = f"at most {WORKERS_PER_CPU} workers share a CPU and {LARGEST_LANE} make a lane without GPUs"
        raise ClusterTooSmall(f"{wanted} can never start: the cluster has {inventory(nodes)}, and {limit}")
    cpus = _whole_or_fraction(total / (chosen * workers))
    while cpus > 1 and sum(int(node.cpus / cpus) for node in nodes) < chosen * workers:
        cpus -= 1
    return LaneLayout(chosen, workers, cpus, 0.0, threads=max(1, int(cpus)))


def _fastest_workers(num_runs: int, slots: Sequence[int], lanes: int | None, batch_size: int) -> int:
    """Minimize waves x seconds per wave; a worker with a small share of the global batch is no faster."""
    candidates = [1 << power for power in range(max(1, max(slots, default=0)).bit_length())]

    def waves(workers: int) -> float:
        parallel = min(lanes or num_runs, _lanes_that_fit(slots, workers), num_runs)
        if parallel < min(lanes or 1, num_runs):
            return math.inf
        filled = min(1.0, batch_size / (ITEMS_THAT_FILL_A_WORKER * workers)) if workers > 1 else 1.0
        speed = workers * filled * EFFICIENCY_PER_DOUBLING ** math.log2(workers)
        return math.ceil(num_runs / parallel) / speed if parallel else math.inf

    return min(candidates, key=lambda workers: (waves(workers), workers))


def _lanes_that_fit(slots: Sequence[int], workers: int) -> int:
    """Count the lanes that fit whole on single nodes or, if no node holds one, across nodes."""
    packed = sum(count // workers for count in slots)
    return packed or sum(slots) // workers


def _whole_or_fraction(cpus: float) -> float:
    return float(int(cpus)) if cpus >= 1 else max(0.01, math.floor(cpus * 100) / 100)
