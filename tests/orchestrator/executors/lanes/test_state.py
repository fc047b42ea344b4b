"""Lanes follow a cluster whose nodes come and go: they grow, wait in words for what is missing, and lose no run."""

from __future__ import annotations

from orchestrator.executors.events import LaneLost, LaneStarted, LaneWaiting, RunFailed
from orchestrator.executors.lanes.state import Work
from tests.orchestrator.executors.lanes.schedulers import RUNS, A, B, done, events, new_scheduler, take, up

SHORTAGE = "it needs 1 x 1 CPUs, and the cluster has 1 CPUs and 0 GPUs on 1 node"


def test_a_lane_that_is_added_takes_the_next_run() -> None:
    scheduler = new_scheduler(num_runs=2)
    up(scheduler)
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler)
    assert scheduler.resize(2, SHORTAGE, 1.0) == [1]
    up(scheduler, lane=1, group="g2", now=4.0)
    assert take(scheduler, lane=1, group="g2").run == RUNS[1]
    assert events(scheduler, LaneStarted)[-1] == LaneStarted(1, 1, ("host0",), 3.0)
    assert events(scheduler, LaneWaiting) == []


def test_no_lane_is_added_that_no_run_needs_nor_while_stopping() -> None:
    scheduler = new_scheduler(num_runs=2)
    up(scheduler)
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler)
    assert scheduler.resize(9, SHORTAGE, 1.0) == [1]
    stopping = new_scheduler(num_runs=2)
    stopping.stop(0.0)
    assert stopping.resize(9, SHORTAGE, 1.0) == []


def test_the_run_of_a_lane_whose_node_died_is_done_by_another_lane_at_once() -> None:
    scheduler = new_scheduler(num_runs=3, lanes=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler), take(scheduler, lane=1, group="g2")
    scheduler.resize(1, SHORTAGE, 1.0)
    assert events(scheduler, LaneWaiting) == []
    scheduler.lose(1, "its node is gone", 2.0)
    assert events(scheduler, LaneWaiting) == [LaneWaiting(1, SHORTAGE)]
    assert [(event.run_id, event.will_retry) for event in events(scheduler, RunFailed)] == [(B, True)]
    done(scheduler, A)
    assert take(scheduler, number=1) == Work(1, RUNS[1], 2)


def test_the_loss_of_a_node_may_be_known_after_the_loss_of_its_lane() -> None:
    scheduler = new_scheduler(num_runs=3, lanes=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler), take(scheduler, lane=1, group="g2")
    scheduler.lose(1, "its node is gone", 1.0)
    assert B in scheduler.state.assignments()
    scheduler.resize(1, SHORTAGE, 2.0)
    assert events(scheduler, LaneWaiting) == [LaneWaiting(1, SHORTAGE)]
    assert B not in scheduler.state.assignments()


def test_a_lane_waits_for_room_as_long_as_it_takes_and_starts_when_there_is_some() -> None:
    scheduler = new_scheduler(num_runs=3, lanes=2, group_starts=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler), take(scheduler, lane=1, group="g2")
    scheduler.lose(1, "its node is gone", 1.0)
    scheduler.resize(1, SHORTAGE, 2.0)
    assert all(scheduler.lose(1, "its resources did not come", 60.0 * minute) for minute in range(1, 9))
    assert len(events(scheduler, LaneLost)) == 1
    assert scheduler.resize(2, SHORTAGE, 600.0) == [], "the lane that waits is the one that the room is for"
    up(scheduler, 1, "g3", now=601.0)
    assert take(scheduler, lane=1, group="g3") == Work(0, RUNS[1], 2)
    assert not scheduler.lanes[1].waits


def test_a_lane_that_was_given_up_stays_so_until_the_cluster_grows() -> None:
    scheduler = new_scheduler(num_runs=2, lanes=2, group_starts=1)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    assert not scheduler.lose(1, "no driver on that node", 1.0)
    assert scheduler.resize(2, SHORTAGE, 2.0) == []
    assert scheduler.resize(3, SHORTAGE, 3.0) == [2]
