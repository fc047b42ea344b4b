"""Lanes follow a cluster whose nodes come and go: they grow, wait in words for what is missing, and lose no run."""

from __future__ import annotations

from orchestrator.executors.events import LaneLost, LaneStarted, LaneWaiting, RunFailed
from orchestrator.executors.lanes.state import Work
from tests.orchestrator.executors.lanes.boards import RUNS, A, B, board, done, take, told, up

SHORTAGE = "it needs 1 x 1 CPUs, and the cluster has 1 CPUs and 0 GPUs on 1 node"


def test_a_lane_that_is_added_takes_the_next_run() -> None:
    found = board(num_runs=2)
    up(found)
    found.request(A, 0.0), found.request(B, 0.0)
    take(found)
    assert found.resize(2, SHORTAGE, 1.0) == [1]
    up(found, lane=1, gang="g2", now=4.0)
    assert take(found, lane=1, gang="g2").run == RUNS[1]
    assert told(found, LaneStarted)[-1] == LaneStarted(1, 1, ("host0",), 3.0)
    assert told(found, LaneWaiting) == []


def test_no_lane_is_added_that_no_run_needs_nor_while_stopping() -> None:
    found = board(num_runs=2)
    up(found)
    found.request(A, 0.0), found.request(B, 0.0)
    take(found)
    assert found.resize(9, SHORTAGE, 1.0) == [1]
    stopping = board(num_runs=2)
    stopping.stop(0.0)
    assert stopping.resize(9, SHORTAGE, 1.0) == []


def test_the_run_of_a_lane_whose_node_died_is_done_by_another_lane_at_once() -> None:
    found = board(num_runs=3, lanes=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    found.request(A, 0.0), found.request(B, 0.0)
    take(found), take(found, lane=1, gang="g2")
    found.resize(1, SHORTAGE, 1.0)
    assert told(found, LaneWaiting) == []
    found.lose(1, "its node is gone", 2.0)
    assert told(found, LaneWaiting) == [LaneWaiting(1, SHORTAGE)]
    assert [(event.run_id, event.will_retry) for event in told(found, RunFailed)] == [(B, True)]
    done(found, A)
    assert take(found, number=1) == Work(1, RUNS[1], 2)


def test_the_loss_of_a_node_may_be_known_after_the_loss_of_its_lane() -> None:
    found = board(num_runs=3, lanes=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    found.request(A, 0.0), found.request(B, 0.0)
    take(found), take(found, lane=1, gang="g2")
    found.lose(1, "its node is gone", 1.0)
    assert B in found.roster.leases()
    found.resize(1, SHORTAGE, 2.0)
    assert told(found, LaneWaiting) == [LaneWaiting(1, SHORTAGE)]
    assert B not in found.roster.leases()


def test_a_lane_waits_for_room_as_long_as_it_takes_and_starts_when_there_is_some() -> None:
    found = board(num_runs=3, lanes=2, gang_starts=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    found.request(A, 0.0), found.request(B, 0.0)
    take(found), take(found, lane=1, gang="g2")
    found.lose(1, "its node is gone", 1.0)
    found.resize(1, SHORTAGE, 2.0)
    assert all(found.lose(1, "its resources did not come", 60.0 * minute) for minute in range(1, 9))
    assert len(told(found, LaneLost)) == 1
    assert found.resize(2, SHORTAGE, 600.0) == [], "the lane that waits is the one that the room is for"
    up(found, 1, "g3", now=601.0)
    assert take(found, lane=1, gang="g3") == Work(0, RUNS[1], 2)
    assert not found.lanes[1].waits


def test_a_lane_that_was_given_up_stays_so_until_the_cluster_grows() -> None:
    found = board(num_runs=2, lanes=2, gang_starts=1)
    up(found)
    found.request(A, 0.0)
    take(found)
    assert not found.lose(1, "no driver on that node", 1.0)
    assert found.resize(2, SHORTAGE, 2.0) == []
    assert found.resize(3, SHORTAGE, 3.0) == [2]
