"""The lane scheduler as a state machine: who holds which run, whatever happens to groups and trials, without Ray."""

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
from tests.orchestrator.executors.lanes.schedulers import RUNS, A, B, C, D, done, events, new_scheduler, take, up


def test_a_run_is_begun_when_a_trial_asks_and_a_group_is_up() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    assert take(scheduler) == "wait"
    scheduler.request(A, 0.0)
    assert take(scheduler) == Work(0, RUNS[0], 1)
    done(scheduler, A, score=0.5)
    assert events(scheduler, LaneStarted, RunStarted, RunFinished) == [
        LaneStarted(0, 1, ("host0",), 0.0),
        RunStarted(A, 0, 1),
        RunFinished(A, 0, 1, "completed", 0.5, None, 0.0),
    ]


def test_all_ranks_get_the_same_work_and_only_once_all_have_asked() -> None:
    scheduler = new_scheduler()
    up(scheduler, world_size=2)
    scheduler.request(A, 0.0)
    assert take(scheduler, rank=1) == "wait"
    work = take(scheduler, rank=0)
    assert isinstance(work, Work)
    assert take(scheduler, rank=1) == work
    assert len(events(scheduler, RunStarted)) == 1


def test_a_rank_that_is_ahead_waits_for_the_next_number() -> None:
    scheduler = new_scheduler()
    up(scheduler, world_size=2)
    scheduler.request(A, 0.0)
    take(scheduler, rank=1), take(scheduler, rank=0)
    assert take(scheduler, number=1, rank=1) == "wait"
    scheduler.request(B, 0.0)
    done(scheduler, A)
    assert take(scheduler, number=1, rank=1) == "wait"
    assert take(scheduler, number=1, rank=0) == Work(1, RUNS[1], 1)


def test_a_rebuilt_group_gets_the_same_run_as_the_next_attempt() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    assert scheduler.lose(0, "the node went away", now=5.0)
    assert scheduler.queue.events[-2:] == [
        (LaneLost(0, 1, "the node went away", A), False),
        (RunFailed(A, 0, 1, "lost", "the node went away", True, 5.0), True),
    ]
    up(scheduler, group="g2", now=6.0)
    assert take(scheduler, group="g2") == Work(0, RUNS[0], 2)


def test_workers_of_a_replaced_group_are_told_to_go_and_are_not_listened_to() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    up(scheduler, group="g2")
    assert take(scheduler) == "retire"
    assert scheduler.poll(0, "g1", 1.0) == "stop"
    done(scheduler, A, group="g1")
    assert events(scheduler, RunFinished) == []


def test_a_run_that_kills_its_group_every_time_fails_and_the_lane_goes_on() -> None:
    scheduler = new_scheduler(attempts_per_run=3, group_starts=4)
    scheduler.request(A, 0.0)
    for group in ("g1", "g2", "g3"):
        up(scheduler, group=group)
        assert take(scheduler, group=group).run == RUNS[0]
        assert scheduler.lose(0, "killed", now=1.0)
    assert [event.will_retry for event in events(scheduler, RunFailed)] == [True, True, False]
    up(scheduler, group="g4")
    scheduler.request(B, 0.0)
    assert take(scheduler, group="g4") == Work(0, RUNS[1], 1)


def test_the_first_traceback_is_what_the_run_is_charged_with() -> None:
    scheduler = new_scheduler()
    up(scheduler, world_size=2)
    scheduler.request(A, 0.0)
    take(scheduler, rank=1), take(scheduler, rank=0)
    text = "rank 1: ValueError: odd\nTraceback of rank 1"
    scheduler.crash(0, "g1", text)
    scheduler.crash(0, "g1", "rank 0: connection closed by peer")
    scheduler.lose(0, "rank 0: RayActorError", now=1.0)
    assert events(scheduler, RunFailed) == [RunFailed(A, 0, 1, "crashed", text, True, 1.0)]
    assert events(scheduler, LaneLost) == [LaneLost(0, 1, "rank 1: ValueError: odd", A)]


def test_a_failed_run_is_tried_again_by_the_same_group_and_others_go_on_afterwards() -> None:
    scheduler = new_scheduler(attempts_per_run=2)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    done(scheduler, A, "failed", failure="crashed", error="odd", retriable=True)
    assert take(scheduler, number=1) == Work(1, RUNS[0], 2)
    done(scheduler, A, "failed", failure="crashed", error="odd", retriable=True)
    scheduler.request(B, 0.0)
    assert take(scheduler, number=2) == Work(2, RUNS[1], 1)
    assert [event.will_retry for event in events(scheduler, RunFailed)] == [True, False]


def test_a_run_that_leaves_the_process_in_doubt_makes_all_ranks_recycle_without_a_charge() -> None:
    scheduler = new_scheduler()
    up(scheduler, world_size=2)
    scheduler.request(A, 0.0)
    take(scheduler, rank=0), take(scheduler, rank=1)
    done(scheduler, A, recycle=True)
    scheduler.request(B, 0.0)
    assert take(scheduler, number=1, rank=0) == "wait"
    assert take(scheduler, number=1, rank=1) == "recycle"
    assert take(scheduler, number=1, rank=0) == "recycle"
    assert scheduler.lose(0, "rank 0: LaneRecycled", now=2.0)
    assert scheduler.lanes[0].losses == 0
    assert events(scheduler, RunFailed) == []
    up(scheduler, group="g2", world_size=2)
    assert take(scheduler, group="g2", rank=0) == "wait"
    assert take(scheduler, group="g2", rank=1) == Work(0, RUNS[1], 1)


def test_a_lane_that_loses_group_after_group_is_given_up_and_its_run_goes_to_another() -> None:
    scheduler = new_scheduler(lanes=2, group_starts=2)
    scheduler.request(A, 0.0)
    assert scheduler.lose(0, "no resources", 1.0)
    assert not scheduler.lose(0, "no resources", 2.0)
    assert events(scheduler, LaneRetired) == [LaneRetired(0, "2 worker groups in a row finished no run: no resources")]
    up(scheduler, lane=1, group="g2")
    assert take(scheduler, lane=1, group="g2").run == RUNS[0]
    assert scheduler.state.open_lanes == 1


def test_a_run_of_a_lane_that_cannot_start_again_goes_to_another_lane() -> None:
    scheduler = new_scheduler(num_runs=3, lanes=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler), take(scheduler, lane=1, group="g2")
    scheduler.lose(0, "the node went away", 1.0)
    assert A in scheduler.state.assignments()
    scheduler.lose(0, "its resources did not come", 61.0)
    done(scheduler, B, lane=1, group="g2")
    assert take(scheduler, number=1, lane=1, group="g2") == Work(1, RUNS[0], 2)


def test_idle_lanes_retire_once_fewer_runs_wait_than_lanes_are_idle() -> None:
    scheduler = new_scheduler(num_runs=1, lanes=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    assert take(scheduler, lane=1, group="g2") == "retire"
    assert take(scheduler, lane=0) == "wait"
    assert not scheduler.leave(1, None, now=1.0)
    assert events(scheduler, LaneRetired) == [LaneRetired(1, "no waiting run needs it")]


def test_an_idle_lane_is_kept_while_a_lost_lane_holds_a_run() -> None:
    scheduler = new_scheduler(num_runs=2, lanes=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler), take(scheduler, lane=1, group="g2")
    scheduler.lose(0, "the node went away", 1.0)
    done(scheduler, B, lane=1, group="g2")
    assert take(scheduler, number=1, lane=1, group="g2") == "wait"


def test_stop_lets_runs_in_work_reach_their_control_point_and_begins_no_other() -> None:
    scheduler = new_scheduler(num_runs=3)
    up(scheduler)
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler)
    assert scheduler.poll(0, "g1", 1.0) == "continue"
    scheduler.stop(2.0)
    assert scheduler.poll(0, "g1", 2.0) == "stop"
    assert not scheduler.queue.is_over
    done(scheduler, A, "stopped")
    assert scheduler.queue.is_over
    assert events(scheduler, RunStarted, RunStopped) == [RunStarted(A, 0, 1), RunStopped(A, 0, 1, checkpoint=True)]
    assert take(scheduler, number=1) == "retire"


def test_a_run_that_fails_while_stopping_is_not_tried_again() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.stop(1.0)
    scheduler.lose(0, "killed", 2.0)
    assert [event.will_retry for event in events(scheduler, RunFailed)] == [False]
    assert scheduler.queue.is_over


def test_a_lane_without_progress_is_named_once_with_its_workers() -> None:
    scheduler = new_scheduler(stall_seconds=10.0, holder_seconds=1e9)
    up(scheduler)
    assert scheduler.tick(1000.0) == []
    scheduler.request(A, 1000.0)
    take(scheduler, now=1000.0)
    scheduler.poll(0, "g1", 1005.0)
    assert scheduler.tick(1014.0) == []
    assert [(lane, [member.pid for member in members]) for lane, members in scheduler.tick(1016.0)] == [(0, [100])]
    assert scheduler.tick(1017.0) == []
    scheduler.lose(0, "rank 0: RayActorError", 1018.0)
    assert [event.kind for event in events(scheduler, RunFailed)] == ["stalled"]


def test_a_run_whose_trial_died_stops_and_the_next_trial_takes_it_up() -> None:
    scheduler = new_scheduler(holder_seconds=30.0)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.tick(31.0)
    assert scheduler.poll(0, "g1", 31.0) == "stop"
    done(scheduler, A, "stopped")
    assert not scheduler.queue.is_over
    scheduler.request(A, 40.0)
    assert take(scheduler, number=1) == Work(1, RUNS[0], 1)


def test_a_trial_that_comes_back_in_time_keeps_the_run_going() -> None:
    scheduler = new_scheduler(holder_seconds=30.0)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.tick(31.0)
    scheduler.request(A, 32.0)
    assert scheduler.poll(0, "g1", 33.0) == "continue"
    assert len(events(scheduler, RunStarted)) == 1


def test_a_trial_sees_the_epochs_of_its_run_and_its_end() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.report(0, "g1", {"epoch": 1}, 1.0)
    assert scheduler.follow(A, 0, 0, 1.0) == ([{"epoch": 1}], False)
    assert scheduler.follow(A, 0, 1, 1.0) == ([], False)
    done(scheduler, A)
    assert scheduler.follow(A, 0, 1, 2.0) == ([], True)


def test_a_run_that_nobody_wants_any_more_is_pruned_at_its_next_control_point() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.apply_decision([], [A], [], 0, 1.0)
    assert scheduler.poll(0, "g1", 1.0) == "prune"


def test_a_paused_run_frees_its_lane_and_is_resumed_later() -> None:
    scheduler = new_scheduler(num_runs=1)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.apply_decision([], [], [A], 1, 1.0)
    assert scheduler.poll(0, "g1", 1.0) == "stop"
    scheduler.request(A, 1.5)  # its trial asks again: that does not take the pause back
    assert scheduler.poll(0, "g1", 2.0) == "stop"
    done(scheduler, A, "stopped")
    assert scheduler.follow(A, 0, 0, 2.0) == ([], True)
    assert not scheduler.queue.is_over
    scheduler.apply_decision([ScheduledRun(RUNS[0], previous_attempts=1, resumes=1)], [], [], 0, 3.0)
    assert scheduler.follow(A, 0, 0, 3.0) == ([], True)  # the trial from before the pause is not held up
    assert scheduler.follow(A, 1, 0, 3.0) == ([], False)
    scheduler.request(A, 3.0)
    assert take(scheduler, number=1) == Work(1, RUNS[0], 2)
    done(scheduler, A)
    assert scheduler.queue.is_over


def test_lanes_stay_up_while_further_runs_are_coming() -> None:
    scheduler = new_scheduler(num_runs=1, lanes=2)
    scheduler.apply_decision([], [], [], 1, 0.0)
    up(scheduler)
    up(scheduler, lane=1, group="g2")
    scheduler.request(A, 0.0)
    take(scheduler)
    assert take(scheduler, lane=1, group="g2") == "wait"
    scheduler.apply_decision([ScheduledRun(RUNS[1])], [], [], 0, 1.0)
    scheduler.request(B, 1.0)
    assert take(scheduler, lane=1, group="g2") == Work(0, RUNS[1], 1)
    done(scheduler, A)
    assert take(scheduler, number=1) == "retire"


def test_a_sweep_that_stops_takes_no_further_runs() -> None:
    scheduler = new_scheduler(num_runs=1)
    scheduler.apply_decision([], [], [], 3, 0.0)
    scheduler.stop(1.0)
    scheduler.apply_decision([ScheduledRun(RUNS[1])], [], [], 2, 2.0)
    assert scheduler.queue.is_over
    assert list(scheduler.queue.runs) == [A]


def test_a_run_that_was_committed_before_its_group_died_is_not_begun_again() -> None:
    scheduler = new_scheduler()
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.lose(0, "killed", 1.0)
    scheduler.committed(RunFinished(A, 0, 1, "completed", None, None, 1.0), 1.1)
    up(scheduler, group="g2")
    scheduler.request(B, 2.0)
    assert take(scheduler, group="g2") == Work(0, RUNS[1], 1)


def test_a_run_that_was_committed_while_it_waited_is_not_begun() -> None:
    scheduler = new_scheduler(num_runs=2)
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    scheduler.committed(RunFinished(A, 0, 1, "completed", 0.5, None, 1.0), 1.0)
    up(scheduler, now=2.0)
    assert take(scheduler, now=2.0).run == RUNS[1]


def test_a_run_that_is_taken_up_again_has_all_its_attempts() -> None:
    scheduler = new_scheduler(num_runs=1)
    up(scheduler)
    scheduler.request(A, 0.0)
    for number in (0, 1):
        take(scheduler, number=number)
        done(scheduler, A, "failed", failure="crashed", retriable=True)
    take(scheduler, number=2)
    scheduler.apply_decision([], [], [A], 1, 1.0)
    done(scheduler, A, "stopped")
    scheduler.apply_decision([ScheduledRun(RUNS[0], previous_attempts=2, resumes=1)], [], [], 0, 3.0)
    scheduler.request(A, 3.0)
    assert take(scheduler, number=3) == Work(3, RUNS[0], 3)
    done(scheduler, A, "failed", failure="crashed", retriable=True)
    assert events(scheduler, RunFailed)[-1].will_retry


def test_attempts_are_counted_on_from_earlier_sweeps() -> None:
    scheduler = LaneScheduler([ScheduledRun(RUNS[0], previous_attempts=4)], 1, Limits(), now=0.0)
    up(scheduler)
    scheduler.request(A, 0.0)
    assert take(scheduler).attempt == 5


def test_a_worker_that_cannot_work_ends_the_session() -> None:
    scheduler = new_scheduler()
    scheduler.join(0, "g1", 1, Member(0, 1, "node", "host"), "results are not shared", 0.0)
    assert scheduler.fatal == "results are not shared"
    assert events(scheduler, LaneStarted) == []


def test_a_scheduled_run_is_named_for_people() -> None:
    run: RunSpec = RUNS[3]
    assert ScheduledRun(run).name == "small/default seed 3"
    folded = run.model_copy(update={"config": run.config.model_copy(update={"fold": 2})})
    assert ScheduledRun(folded).name == "small/default seed 3 fold 2"


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_whatever_is_lost_every_run_ends_exactly_once(lanes: int) -> None:
    """Gangs die at each of the first twenty hand-overs in turn; the grid still ends, each run once."""
    for fatal in range(20):
        scheduler = new_scheduler(num_runs=4, lanes=lanes, group_starts=99, holder_seconds=1e9)
        for run in RUNS:
            scheduler.request(run.run_id, 0.0)
        generation, numbers, step = [0] * lanes, [0] * lanes, 0
        while not scheduler.queue.is_over and step < 500:
            for lane in range(lanes):
                step += 1
                if scheduler.lanes[lane].group is None:
                    generation[lane] += 1
                    numbers[lane] = 0
                    up(scheduler, lane, f"{lane}-{generation[lane]}")
                group = f"{lane}-{generation[lane]}"
                work = take(scheduler, numbers[lane], lane, group)
                if step == fatal:
                    scheduler.lose(lane, "killed", float(step))
                elif isinstance(work, Work):
                    numbers[lane] += 1
                    done(scheduler, work.run.run_id, lane=lane, group=group)
        assert sorted(event.run_id for event in events(scheduler, RunFinished)) == sorted((A, B, C, D))


def test_a_lane_that_fails_after_a_stop_gets_no_other_workers() -> None:
    scheduler = new_scheduler(num_runs=3)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    scheduler.stop(1.0)
    assert not scheduler.lose(0, "killed", 2.0)
    assert events(scheduler, LaneRetired) == [LaneRetired(0, "stopped")]
    assert not scheduler.leave(0, "killed", 3.0)
    assert len(events(scheduler, LaneLost)) == 1
    assert scheduler.queue.is_over


def test_a_lane_gets_no_other_workers_for_a_run_that_has_failed_for_good() -> None:
    scheduler = new_scheduler(num_runs=2, lanes=2, attempts_per_run=1)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    scheduler.request(A, 0.0), scheduler.request(B, 0.0)
    take(scheduler), take(scheduler, lane=1, group="g2")
    assert not scheduler.lose(0, "killed", 2.0)
    assert events(scheduler, LaneRetired) == [LaneRetired(0, "no waiting run needs it")]
    assert not scheduler.queue.is_over


def test_a_lane_that_is_lost_while_others_wait_for_it_gets_other_workers() -> None:
    scheduler = new_scheduler(num_runs=2, attempts_per_run=1)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    assert scheduler.lose(0, "killed", 2.0)
    assert events(scheduler, LaneRetired) == []


def test_a_lane_that_is_lost_on_its_way_out_gets_no_other_workers() -> None:
    scheduler = new_scheduler(num_runs=1, lanes=2)
    up(scheduler, 0, "g1"), up(scheduler, 1, "g2")
    assert take(scheduler, lane=1, group="g2") == "retire"
    assert not scheduler.lose(1, "killed", 1.0)


def test_workers_that_come_to_a_lane_that_is_over_are_told_to_go() -> None:
    scheduler = new_scheduler(num_runs=1, attempts_per_run=1)
    up(scheduler)
    scheduler.request(A, 0.0)
    take(scheduler)
    assert not scheduler.lose(0, "killed", 2.0)
    up(scheduler, group="g2", now=3.0)
    assert take(scheduler, group="g2") == "retire"
