"""The lanes' state machine: who holds which run, whatever happens to gangs and trials, without Ray or a clock."""

from __future__ import annotations

import pytest

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.events import (
    LaneLost,
    LaneRetired,
    LaneStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
)
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.scheduler import LaneScheduler
from orchestrator.executors.lanes.state import Member, ScheduledRun, Work
from tests.orchestrator.executors.lanes.boards import RUNS, A, B, C, D, board, done, take, told, up


def test_a_run_is_begun_when_a_trial_asks_and_a_gang_is_up() -> None:
    found = board()
    up(found)
    assert take(found) == "wait"
    found.request(A, 0.0)
    assert take(found) == Work(0, RUNS[0], 1)
    done(found, A, score=0.5)
    assert told(found, LaneStarted, RunStarted, RunFinished) == [
        LaneStarted(0, 1, ("host0",), 0.0),
        RunStarted(A, 0, 1),
        RunFinished(A, 0, 1, "completed", 0.5, None, 0.0),
    ]


def test_all_ranks_get_the_same_work_and_only_once_all_have_asked() -> None:
    found = board()
    up(found, world_size=2)
    found.request(A, 0.0)
    assert take(found, rank=1) == "wait"
    work = take(found, rank=0)
    assert isinstance(work, Work)
    assert take(found, rank=1) == work
    assert len(told(found, RunStarted)) == 1


def test_a_rank_that_is_ahead_waits_for_the_next_number() -> None:
    found = board()
    up(found, world_size=2)
    found.request(A, 0.0)
    take(found, rank=1), take(found, rank=0)
    assert take(found, number=1, rank=1) == "wait"
    found.request(B, 0.0)
    done(found, A)
    assert take(found, number=1, rank=1) == "wait"
    assert take(found, number=1, rank=0) == Work(1, RUNS[1], 1)


def test_a_rebuilt_gang_gets_the_same_run_as_the_next_attempt() -> None:
    found = board()
    up(found)
    found.request(A, 0.0)
    take(found)
    assert found.lose(0, "the node went away", now=5.0)
    assert found.book.told[-2:] == [
        (LaneLost(0, 1, "the node went away", A), False),
        (RunFailed(A, 0, 1, "lost", "the node went away", True, 5.0), True),
    ]
    up(found, gang="g2", now=6.0)
    assert take(found, gang="g2") == Work(0, RUNS[0], 2)


def test_workers_of_a_replaced_gang_are_told_to_go_and_are_not_listened_to() -> None:
    found = board()
    up(found)
    found.request(A, 0.0)
    take(found)
    up(found, gang="g2")
    assert take(found) == "retire"
    assert found.poll(0, "g1", 1.0) == "stop"
    done(found, A, gang="g1")
    assert told(found, RunFinished) == []


def test_a_run_that_kills_its_gang_every_time_fails_and_the_lane_goes_on() -> None:
    found = board(attempts_per_run=3, gang_starts=4)
    found.request(A, 0.0)
    for gang in ("g1", "g2", "g3"):
        up(found, gang=gang)
        assert take(found, gang=gang).run == RUNS[0]
        assert found.lose(0, "killed", now=1.0)
    assert [event.will_retry for event in told(found, RunFailed)] == [True, True, False]
    up(found, gang="g4")
    found.request(B, 0.0)
    assert take(found, gang="g4") == Work(0, RUNS[1], 1)


def test_the_first_traceback_is_what_the_run_is_charged_with() -> None:
    found = board()
    up(found, world_size=2)
    found.request(A, 0.0)
    take(found, rank=1), take(found, rank=0)
    text = "rank 1: ValueError: odd\nTraceback of rank 1"
    found.crash(0, "g1", text)
    found.crash(0, "g1", "rank 0: connection closed by peer")
    found.lose(0, "rank 0: RayActorError", now=1.0)
    assert told(found, RunFailed) == [RunFailed(A, 0, 1, "crashed", text, True, 1.0)]
    assert told(found, LaneLost) == [LaneLost(0, 1, "rank 1: ValueError: odd", A)]


def test_a_failed_run_is_tried_again_by_the_same_gang_and_others_go_on_afterwards() -> None:
    found = board(attempts_per_run=2)
    up(found)
    found.request(A, 0.0)
    take(found)
    done(found, A, "failed", failure="crashed", error="odd", retriable=True)
    assert take(found, number=1) == Work(1, RUNS[0], 2)
    done(found, A, "failed", failure="crashed", error="odd", retriable=True)
    found.request(B, 0.0)
    assert take(found, number=2) == Work(2, RUNS[1], 1)
    assert [event.will_retry for event in told(found, RunFailed)] == [True, False]


def test_a_run_that_leaves_the_process_in_doubt_makes_all_ranks_recycle_without_a_charge() -> None:
    found = board()
    up(found, world_size=2)
    found.request(A, 0.0)
    take(found, rank=0), take(found, rank=1)
    done(found, A, recycle=True)
    found.request(B, 0.0)
    assert take(found, number=1, rank=0) == "wait"
    assert take(found, number=1, rank=1) == "recycle"
    assert take(found, number=1, rank=0) == "recycle"
    assert found.lose(0, "rank 0: LaneRecycled", now=2.0)
    assert found.lanes[0].losses == 0
    assert told(found, RunFailed) == []
    up(found, gang="g2", world_size=2)
    assert take(found, gang="g2", rank=0) == "wait"
    assert take(found, gang="g2", rank=1) == Work(0, RUNS[1], 1)


def test_a_lane_that_loses_gang_after_gang_is_given_up_and_its_run_goes_to_another() -> None:
    found = board(lanes=2, gang_starts=2)
    found.request(A, 0.0)
    assert found.lose(0, "no resources", 1.0)
    assert not found.lose(0, "no resources", 2.0)
    assert told(found, LaneRetired) == [
        LaneRetired(0, "2 gangs in a row were lost before a run came to its end: no resources")
    ]
    up(found, lane=1, gang="g2")
    assert take(found, lane=1, gang="g2").run == RUNS[0]
    assert found.roster.open_lanes == 1


def test_a_run_of_a_lane_that_cannot_start_again_goes_to_another_lane() -> None:
    found = board(num_runs=3, lanes=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    found.request(A, 0.0), found.request(B, 0.0)
    take(found), take(found, lane=1, gang="g2")
    found.lose(0, "the node went away", 1.0)
    assert A in found.roster.leases()
    found.lose(0, "its resources did not come", 61.0)
    done(found, B, lane=1, gang="g2")
    assert take(found, number=1, lane=1, gang="g2") == Work(1, RUNS[0], 2)


def test_idle_lanes_retire_once_fewer_runs_wait_than_lanes_are_idle() -> None:
    found = board(num_runs=1, lanes=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    assert take(found, lane=1, gang="g2") == "retire"
    assert take(found, lane=0) == "wait"
    assert not found.leave(1, None, now=1.0)
    assert told(found, LaneRetired) == [LaneRetired(1, "no waiting run needs it")]


def test_an_idle_lane_is_kept_while_a_lost_lane_holds_a_run() -> None:
    found = board(num_runs=2, lanes=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    found.request(A, 0.0), found.request(B, 0.0)
    take(found), take(found, lane=1, gang="g2")
    found.lose(0, "the node went away", 1.0)
    done(found, B, lane=1, gang="g2")
    assert take(found, number=1, lane=1, gang="g2") == "wait"


def test_stop_lets_runs_in_work_reach_their_control_point_and_begins_no_other() -> None:
    found = board(num_runs=3)
    up(found)
    found.request(A, 0.0), found.request(B, 0.0)
    take(found)
    assert found.poll(0, "g1", 1.0) == "continue"
    found.stop(2.0)
    assert found.poll(0, "g1", 2.0) == "stop"
    assert not found.book.is_over
    done(found, A, "stopped")
    assert found.book.is_over
    assert told(found, RunStarted, RunStopped) == [RunStarted(A, 0, 1), RunStopped(A, 0, 1, checkpoint=True)]
    assert take(found, number=1) == "retire"


def test_a_run_that_fails_while_stopping_is_not_tried_again() -> None:
    found = board()
    up(found)
    found.request(A, 0.0)
    take(found)
    found.stop(1.0)
    found.lose(0, "killed", 2.0)
    assert [event.will_retry for event in told(found, RunFailed)] == [False]
    assert found.book.is_over


def test_a_lane_without_progress_is_named_once_with_its_workers() -> None:
    found = board(stall_seconds=10.0, holder_seconds=1e9)
    up(found)
    assert found.tick(1000.0) == []
    found.request(A, 1000.0)
    take(found, now=1000.0)
    found.poll(0, "g1", 1005.0)
    assert found.tick(1014.0) == []
    assert [(lane, [member.pid for member in members]) for lane, members in found.tick(1016.0)] == [(0, [100])]
    assert found.tick(1017.0) == []
    found.lose(0, "rank 0: RayActorError", 1018.0)
    assert [event.kind for event in told(found, RunFailed)] == ["stalled"]


def test_a_run_whose_trial_died_stops_and_the_next_trial_takes_it_up() -> None:
    found = board(holder_seconds=30.0)
    up(found)
    found.request(A, 0.0)
    take(found)
    found.tick(31.0)
    assert found.poll(0, "g1", 31.0) == "stop"
    done(found, A, "stopped")
    assert not found.book.is_over
    found.request(A, 40.0)
    assert take(found, number=1) == Work(1, RUNS[0], 1)


def test_a_trial_that_comes_back_in_time_keeps_the_run_going() -> None:
    found = board(holder_seconds=30.0)
    up(found)
    found.request(A, 0.0)
    take(found)
    found.tick(31.0)
    found.request(A, 32.0)
    assert found.poll(0, "g1", 33.0) == "continue"
    assert len(told(found, RunStarted)) == 1


def test_a_trial_sees_the_epochs_of_its_run_and_its_end() -> None:
    found = board()
    up(found)
    found.request(A, 0.0)
    take(found)
    found.report(0, "g1", {"epoch": 1}, 1.0)
    assert found.follow(A, 1, 0, 1.0) == ([{"epoch": 1}], False)
    assert found.follow(A, 1, 1, 1.0) == ([], False)
    done(found, A)
    assert found.follow(A, 1, 1, 2.0) == ([], True)


def test_a_run_that_nobody_wants_any_more_is_pruned_at_its_next_control_point() -> None:
    found = board()
    up(found)
    found.request(A, 0.0)
    take(found)
    found.order([], [A], [], 0, 1.0)
    assert found.poll(0, "g1", 1.0) == "prune"


def test_a_paused_run_frees_its_lane_and_goes_on_as_another_stint() -> None:
    found = board(num_runs=1)
    up(found)
    found.request(A, 0.0)
    take(found)
    found.order([], [], [A], 1, 1.0)
    assert found.poll(0, "g1", 1.0) == "stop"
    found.request(A, 1.5)  # its trial asks again: that does not take the pause back
    assert found.poll(0, "g1", 2.0) == "stop"
    done(found, A, "stopped")
    assert found.follow(A, 1, 0, 2.0) == ([], True)
    assert not found.book.is_over
    found.order([ScheduledRun(RUNS[0], previous_attempts=1, stint=2)], [], [], 0, 3.0)
    assert found.follow(A, 1, 0, 3.0) == ([], True)  # the trial of the first stint is not held up
    assert found.follow(A, 2, 0, 3.0) == ([], False)
    found.request(A, 3.0)
    assert take(found, number=1) == Work(1, RUNS[0], 2)
    done(found, A)
    assert found.book.is_over


def test_lanes_stay_up_while_further_runs_are_coming() -> None:
    found = board(num_runs=1, lanes=2)
    found.order([], [], [], 1, 0.0)
    up(found)
    up(found, lane=1, gang="g2")
    found.request(A, 0.0)
    take(found)
    assert take(found, lane=1, gang="g2") == "wait"
    found.order([ScheduledRun(RUNS[1])], [], [], 0, 1.0)
    found.request(B, 1.0)
    assert take(found, lane=1, gang="g2") == Work(0, RUNS[1], 1)
    done(found, A)
    assert take(found, number=1) == "retire"


def test_a_sweep_that_stops_takes_no_further_runs() -> None:
    found = board(num_runs=1)
    found.order([], [], [], 3, 0.0)
    found.stop(1.0)
    found.order([ScheduledRun(RUNS[1])], [], [], 2, 2.0)
    assert found.book.is_over
    assert list(found.book.tickets) == [A]


def test_a_run_that_was_committed_before_its_gang_died_is_not_begun_again() -> None:
    found = board()
    up(found)
    found.request(A, 0.0)
    take(found)
    found.lose(0, "killed", 1.0)
    found.committed(RunFinished(A, 0, 1, "completed", None, None, 1.0), 1.1)
    up(found, gang="g2")
    found.request(B, 2.0)
    assert take(found, gang="g2") == Work(0, RUNS[1], 1)


def test_a_run_that_was_committed_while_it_waited_is_not_begun() -> None:
    found = board(num_runs=2)
    found.request(A, 0.0), found.request(B, 0.0)
    found.committed(RunFinished(A, 0, 1, "completed", 0.5, None, 1.0), 1.0)
    up(found, now=2.0)
    assert take(found, now=2.0).run == RUNS[1]


def test_a_run_that_is_taken_up_again_has_all_its_attempts() -> None:
    found = board(num_runs=1)
    up(found)
    found.request(A, 0.0)
    for number in (0, 1):
        take(found, number=number)
        done(found, A, "failed", failure="crashed", retriable=True)
    take(found, number=2)
    found.order([], [], [A], 1, 1.0)
    done(found, A, "stopped")
    found.order([ScheduledRun(RUNS[0], previous_attempts=2, stint=2)], [], [], 0, 3.0)
    found.request(A, 3.0)
    assert take(found, number=3) == Work(3, RUNS[0], 3)
    done(found, A, "failed", failure="crashed", retriable=True)
    assert told(found, RunFailed)[-1].will_retry


def test_attempts_are_counted_on_from_earlier_sweeps() -> None:
    found = LaneScheduler([ScheduledRun(RUNS[0], previous_attempts=4)], 1, Limits(), now=0.0)
    up(found)
    found.request(A, 0.0)
    assert take(found).attempt == 5


def test_a_worker_that_cannot_work_ends_the_session() -> None:
    found = board()
    found.join(0, "g1", 1, Member(0, 1, "node", "host"), "results are not shared", 0.0)
    assert found.fatal == "results are not shared"
    assert told(found, LaneStarted) == []


def test_a_ticket_is_named_for_people() -> None:
    run: RunSpec = RUNS[3]
    assert ScheduledRun(run).name == "small/default seed 3"
    folded = run.model_copy(update={"config": run.config.model_copy(update={"fold": 2})})
    assert ScheduledRun(folded).name == "small/default seed 3 fold 2"


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_whatever_is_lost_every_run_ends_exactly_once(lanes: int) -> None:
    """Gangs die at each of the first twenty hand-overs in turn; the grid still ends, each run once."""
    for fatal in range(20):
        found = board(num_runs=4, lanes=lanes, gang_starts=99, holder_seconds=1e9)
        for run in RUNS:
            found.request(run.run_id, 0.0)
        generation, numbers, step = [0] * lanes, [0] * lanes, 0
        while not found.book.is_over and step < 500:
            for lane in range(lanes):
                step += 1
                if found.lanes[lane].gang is None:
                    generation[lane] += 1
                    numbers[lane] = 0
                    up(found, lane, f"{lane}-{generation[lane]}")
                gang = f"{lane}-{generation[lane]}"
                work = take(found, numbers[lane], lane, gang)
                if step == fatal:
                    found.lose(lane, "killed", float(step))
                elif isinstance(work, Work):
                    numbers[lane] += 1
                    done(found, work.run.run_id, lane=lane, gang=gang)
        assert sorted(event.run_id for event in told(found, RunFinished)) == sorted((A, B, C, D))


def test_a_lane_that_fails_after_a_stop_gets_no_other_workers() -> None:
    found = board(num_runs=3)
    up(found)
    found.request(A, 0.0)
    take(found)
    found.stop(1.0)
    assert not found.lose(0, "killed", 2.0)
    assert told(found, LaneRetired) == [LaneRetired(0, "stopped")]
    assert not found.leave(0, "killed", 3.0)
    assert len(told(found, LaneLost)) == 1
    assert found.book.is_over


def test_a_lane_gets_no_other_workers_for_a_run_that_has_failed_for_good() -> None:
    found = board(num_runs=2, lanes=2, attempts_per_run=1)
    up(found, 0, "g1"), up(found, 1, "g2")
    found.request(A, 0.0), found.request(B, 0.0)
    take(found), take(found, lane=1, gang="g2")
    assert not found.lose(0, "killed", 2.0)
    assert told(found, LaneRetired) == [LaneRetired(0, "no waiting run needs it")]
    assert not found.book.is_over


def test_a_lane_that_is_lost_while_others_wait_for_it_gets_other_workers() -> None:
    found = board(num_runs=2, attempts_per_run=1)
    up(found)
    found.request(A, 0.0)
    take(found)
    assert found.lose(0, "killed", 2.0)
    assert told(found, LaneRetired) == []


def test_a_lane_that_is_lost_on_its_way_out_gets_no_other_workers() -> None:
    found = board(num_runs=1, lanes=2)
    up(found, 0, "g1"), up(found, 1, "g2")
    assert take(found, lane=1, gang="g2") == "retire"
    assert not found.lose(1, "killed", 1.0)


def test_workers_that_come_to_a_lane_that_is_over_are_told_to_go() -> None:
    found = board(num_runs=1, attempts_per_run=1)
    up(found)
    found.request(A, 0.0)
    take(found)
    assert not found.lose(0, "killed", 2.0)
    up(found, gang="g2", now=3.0)
    assert take(found, gang="g2") == "retire"
