"""Every kind of fault at every moment, by a clock of our own: each run ends once, charged with what befell it alone."""

from __future__ import annotations

import random

import pytest

from tests.fault_seed import generator
from tests.orchestrator.executors.lanes import played as faults
from tests.orchestrator.executors.lanes.played import Fault, Played
from tests.orchestrator.executors.lanes.schedulers import RUNS, B

IDS = sorted(run.run_id for run in RUNS)
CHARGED: dict[Fault, list[str]] = {
    faults.worker_raises: ["crashed"],
    faults.memory_runs_out: ["out_of_memory"],
    faults.worker_dies: ["lost"],
    faults.worker_hangs: ["stalled"],
    faults.rank_raises_alone: ["crashed"],
    faults.lane_is_recycled: [],
    faults.worker_dies_after_its_commit: [],
    faults.node_is_lost_for_a_while: ["lost"],
    faults.cluster_grows: [],
    faults.trial_dies: [],
    faults.control_actor_is_lost: ["lost"],
    faults.driver_stops_and_resumes: [],
}
OF_ONE_RUN = (
    faults.worker_raises,
    faults.memory_runs_out,
    faults.worker_dies,
    faults.worker_hangs,
    faults.rank_raises_alone,
)
MOST_ATTEMPTS = {"out_of_memory": 2}
LAST_MOMENT = 30


def runs_in_work(played: Played) -> list[str]:
    """What the lanes have, in the order of their numbers."""
    return [played.run_of(number) for number in played.working]


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("fault", CHARGED, ids=lambda fault: fault.__name__)
def test_one_fault_costs_its_run_an_attempt_and_no_other_run_anything(fault: Fault, lanes: int) -> None:
    """At each moment of a session in turn; a control actor takes every lane with it."""
    num_hits = 0
    for moment in range(1, LAST_MOMENT):
        played, in_work = Played(lanes), list[str]()
        while not (in_work or played.scheduler.queue.is_over):
            played.turn()
            if played.now >= moment and played.working:
                in_work = runs_in_work(played)
                fault(played, played.working[0])
        played.play()
        assert sorted(played.records) == IDS
        assert played.failed == []
        hit = in_work if fault is faults.control_actor_is_lost else in_work[:1]
        assert played.attempts == {run_id: CHARGED[fault] for run_id in hit if CHARGED[fault]}
        num_hits += bool(in_work)
    assert num_hits >= 8, "it was dealt in the first run and in later ones"


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("fault", OF_ONE_RUN, ids=lambda fault: fault.__name__)
def test_a_run_that_meets_a_fault_every_time_fails_for_good_and_the_others_are_done(fault: Fault, lanes: int) -> None:
    played, (kind,) = Played(lanes), CHARGED[fault]
    while not played.scheduler.queue.is_over:
        played.turn()
        for number in played.working:
            if played.run_of(number) == B:
                fault(played, number)
                break
    assert played.failed == [B]
    assert played.attempts == {B: [kind] * MOST_ATTEMPTS.get(kind, 3)}
    assert sorted(played.records) == [run_id for run_id in IDS if run_id != B]


def play_randomly(lanes: int, random_numbers: random.Random) -> None:
    """Faults of every kind, one on top of another, and every run has its one end."""
    played = Played(lanes, attempts_per_run=4)
    dealt: list[str] = []
    while not played.scheduler.queue.is_over:
        assert played.now < 5_000, dealt
        played.turn()
        if played.working and random_numbers.random() < 0.1:
            fault = random_numbers.choice(list(CHARGED))
            dealt.append(fault.__name__)
            fault(played, random_numbers.choice(played.working))
    assert sorted([*played.records, *played.failed]) == IDS, dealt


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("num_sessions", [300, pytest.param(20_000, marks=pytest.mark.soak)])
def test_whatever_befalls_a_session_every_run_has_one_end(num_sessions: int, lanes: int) -> None:
    random_numbers = generator()
    for _ in range(num_sessions):
        play_randomly(lanes, random_numbers)
