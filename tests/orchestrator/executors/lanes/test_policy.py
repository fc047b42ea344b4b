"""Layouts, retries, budgets and hygiene are decided by plain functions; here is what they decide."""

from __future__ import annotations

import pytest

from orchestrator.errors import ClusterTooSmall
from orchestrator.executors.events import Scale
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import LaneLayout, Limits, Node
from orchestrator.worker.failure import Failure
from tests.orchestrator.storage.stores import make_run
from trainables.config import TrainConfig

LAPTOP = [Node(cpus=2, gpus=0, memory_gib=16)]
EIGHT_GPUS = [Node(cpus=192, gpus=8, memory_gib=1000)]


def test_without_gpus_every_cpu_gets_a_lane_of_one_worker_and_one_thread() -> None:
    assert policy.plan(30, LAPTOP) == LaneLayout(2, 1, 1.0, 0.0, threads=1)


def test_few_runs_share_all_cpus() -> None:
    assert policy.plan(2, [Node(16, 0, 256)]) == LaneLayout(2, 1, 8.0, 0.0, threads=8)
    assert policy.plan(1, LAPTOP) == LaneLayout(1, 1, 2.0, 0.0, threads=2)


def test_lanes_on_cpus_leave_memory_for_each_worker() -> None:
    assert policy.plan(100, [Node(64, 0, 64)]).lanes == 16


def test_eight_workers_fit_on_two_cpus_as_fractions() -> None:
    assert policy.plan(1, LAPTOP, workers_per_run=8) == LaneLayout(1, 8, 0.25, 0.0, threads=1)


def test_small_data_gets_one_gpu_a_run_and_a_single_large_run_gets_them_all() -> None:
    assert policy.plan(30, EIGHT_GPUS, batch_size=8) == LaneLayout(8, 1, 16, 1.0, threads=16)
    assert policy.plan(1, EIGHT_GPUS, batch_size=64).workers_per_run == 8
    assert policy.plan(1, EIGHT_GPUS, batch_size=8).workers_per_run == 1


def test_a_few_large_runs_divide_the_gpus_among_them() -> None:
    layout = policy.plan(4, EIGHT_GPUS, batch_size=256)
    assert (layout.lanes, layout.workers_per_run) == (4, 2)


def test_fractions_of_a_gpu_make_more_lanes_of_one_worker() -> None:
    assert policy.plan(30, EIGHT_GPUS, gpus_per_worker=0.5).lanes == 16
    with pytest.raises(ClusterTooSmall, match="lanes of one worker"):
        policy.plan(30, EIGHT_GPUS, gpus_per_worker=0.5, workers_per_run=2)


def test_lanes_are_packed_on_nodes_and_span_nodes_only_where_none_holds_one() -> None:
    pair = EIGHT_GPUS * 2
    assert policy.plan(30, pair, workers_per_run=8).lanes == 2
    assert policy.plan(30, pair, workers_per_run=16).lanes == 1
    assert policy.plan(30, [Node(64, 4, 500), Node(64, 3, 500)], workers_per_run=3).lanes == 2
    assert policy.plan(30, [Node(64, 3, 500)] * 2, workers_per_run=2).lanes == 2  # and not 3, one across both nodes


@pytest.mark.parametrize(
    ("nodes", "asked"),
    [
        (LAPTOP, {"gpus_per_worker": 1.0}),
        (EIGHT_GPUS, {"workers_per_run": 99}),
        (EIGHT_GPUS, {"lanes": 5, "workers_per_run": 2}),
        (LAPTOP, {"workers_per_run": 99}),
    ],
)
def test_what_can_never_start_is_refused_with_what_the_cluster_has(nodes: list[Node], asked: dict[str, int]) -> None:
    with pytest.raises(ClusterTooSmall, match=r"the cluster has (2 CPUs and 0|192 CPUs and 8) GPUs on 1 node"):
        policy.plan(99, nodes, **asked)


def test_there_are_never_more_lanes_than_runs() -> None:
    assert policy.plan(3, EIGHT_GPUS, batch_size=8).lanes == 3
    assert policy.plan(1, LAPTOP, lanes=2).lanes == 1


def test_every_worker_of_a_layout_finds_its_cpus() -> None:
    nodes = [Node(3, 0, 64), Node(6, 0, 64)]
    for num_runs in range(1, 12):
        layout = policy.plan(num_runs, nodes)
        slots = sum(int(node.cpus / layout.cpus_per_worker + 1e-9) for node in nodes)
        assert slots >= layout.lanes * layout.workers_per_run


@pytest.mark.parametrize("asked", [{"lanes": 0}, {"workers_per_run": 0}])
def test_counts_below_one_are_refused(asked: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        policy.plan(1, LAPTOP, **asked)


def test_a_crash_is_tried_three_times_out_of_memory_twice_and_bad_data_once() -> None:
    limits = Limits(attempts_per_run=3)
    tries = {failure: [policy.may_retry(n, limits, failure.word, True) for n in (1, 2, 3)] for failure in Failure}
    assert tries[Failure.CRASHED] == tries[Failure.LOST] == [True, True, False]
    assert tries[Failure.OUT_OF_MEMORY] == [True, False, False]
    assert tries[Failure.DATA] == [False, False, False]
    assert not policy.may_retry(1, limits, Failure.CRASHED.word, retriable=False)


def test_a_lane_is_given_up_after_as_many_lost_groups_as_allowed() -> None:
    limits = Limits(group_starts=3)
    assert [policy.budget_is_spent(losses, limits) for losses in (0, 2, 3, 4)] == [False, False, True, True]


def test_idle_lanes_beyond_the_waiting_runs_retire_highest_number_first() -> None:
    assert policy.surplus([0, 3, 1], unassigned=1) == (3, 1)
    assert policy.surplus([0, 1], unassigned=5) == ()


def test_memory_leaks_only_beyond_the_allowance_and_half_of_the_baseline() -> None:
    assert not policy.leaks(2.0, 3.9, allowance_gib=2.0)
    assert policy.leaks(2.0, 4.1, allowance_gib=2.0)
    assert not policy.leaks(10.0, 14.0, allowance_gib=2.0)


def test_the_cluster_has_room_for_as_many_lanes_as_its_nodes_can_hold_whole() -> None:
    one_cpu = LaneLayout(1, 1, 1.0, 0.0, threads=1)
    assert policy.capacity(one_cpu, [Node(1, 0, 8), Node(3, 0, 8)]) == 4
    assert policy.capacity(one_cpu, []) == 0
    eight = LaneLayout(1, 8, 16.0, 1.0, threads=16)
    assert policy.capacity(eight, EIGHT_GPUS * 2) == 2
    assert policy.needs(eight) == "8 x 16 CPUs and 1 GPUs"


def test_lanes_are_added_where_the_cluster_has_grown_and_runs_wait() -> None:
    assert policy.growth(before=1, now=4, open_lanes=1, waiting_runs=9) == 3
    assert policy.growth(before=1, now=4, open_lanes=1, waiting_runs=2) == 2
    assert policy.growth(before=4, now=4, open_lanes=2, waiting_runs=9) == 0
    assert policy.growth(before=1, now=2, open_lanes=2, waiting_runs=9) == 0


def test_what_is_left_of_a_grid_gets_fewer_lanes_and_each_lane_stays_what_it_was() -> None:
    whole = policy.plan(2, LAPTOP, lanes=2)
    assert policy.reduced(whole, 1) == LaneLayout(1, 1, 1.0, 0.0, threads=1)
    assert policy.reduced(whole, 2) == policy.reduced(whole, 9) == whole
    on_gpus = policy.plan(30, EIGHT_GPUS, batch_size=64)
    assert on_gpus.workers_per_run == policy.reduced(on_gpus, 1).workers_per_run == 1


def test_the_scale_of_an_experiment_is_that_of_all_its_runs_that_can_be_run_here() -> None:
    small, large = make_run(1, train=TrainConfig(batch_size=4)), make_run(2, train=TrainConfig(batch_size=32))
    elsewhere = make_run(3, train=TrainConfig(batch_size=2)).model_copy(update={"unsupported": "it needs a GPU"})
    assert Scale.of([small, large, elsewhere]) == Scale(runs=2, batch_size=4)
