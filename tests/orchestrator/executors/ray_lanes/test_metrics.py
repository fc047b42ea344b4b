"""What the metrics say of a sweep, counted from its events; `make cluster-test` reads them where Prometheus does."""

from __future__ import annotations

import pytest

from orchestrator.executors.events import LaneLost, LaneRetired, LaneStarted, RunFailed, RunFinished, RunStarted
from orchestrator.executors.events import RunStopped as Stopped
from orchestrator.executors.ray_lanes.metrics import STATUSES, Tally
from tests.orchestrator.executors.lanes.schedulers import RUNS, A, B, C, D


def failed(run_id: str, *, will_retry: bool) -> RunFailed:
    """An attempt that failed."""
    return RunFailed(run_id, 0, 1, "crashed", "why", will_retry=will_retry, seconds=1.0)


def test_every_run_is_counted_once_whatever_becomes_of_it() -> None:
    tally = Tally.of(RUNS)
    assert tally.counts() == {**dict.fromkeys(STATUSES, 0), "pending": 4}
    for run_id in (A, B, C, D):
        tally.take(RunStarted(run_id, 0, 1))
    assert tally.counts()["running"] == 4
    tally.take(RunFinished(A, 0, 1, "diverged", None, None, 1.0))
    tally.take(failed(B, will_retry=True))
    tally.take(failed(C, will_retry=False))
    tally.take(Stopped(D, 0, 1, checkpoint=True))
    expected = {"diverged": 1, "pending": 1, "failed": 1, "stopped": 1}
    assert tally.counts() == {**dict.fromkeys(STATUSES, 0), **expected}
    tally.take(RunStarted(B, 0, 2))
    tally.take(RunFinished(B, 0, 2, "completed", 0.5, None, 1.0))
    assert tally.counts()["completed"] == 1
    assert sum(tally.counts().values()) == 4


def test_lanes_that_are_lost_count_as_restarts_and_those_that_retire_do_not() -> None:
    tally = Tally.of(RUNS)
    for lane in (0, 1):
        tally.take(LaneStarted(lane, 1, ("host",), 1.0))
    assert tally.lanes == {0, 1}
    tally.take(LaneLost(0, 1, "killed", None))
    tally.take(LaneStarted(0, 2, ("host",), 1.0))
    tally.take(LaneRetired(1, "no waiting run needs it"))
    assert (tally.lanes, tally.restarts) == ({0}, 1)


def test_speed_is_the_epochs_own_and_starts_anew_with_an_attempt() -> None:
    tally, run = Tally.of(RUNS), RUNS[0]
    batch = run.config.train.batch_size
    tally.take(RunStarted(A, 0, 1))
    assert tally.items_per_second(run, {"step": 10, "seconds": 2.0}) == pytest.approx(5 * batch)
    assert tally.items_per_second(run, {"step": 30, "seconds": 2.0}) == pytest.approx(10 * batch)
    tally.take(RunStarted(A, 0, 2))
    assert tally.items_per_second(run, {"step": 10, "seconds": 2.0}) == pytest.approx(5 * batch)
    assert tally.items_per_second(run, {"step": 10, "seconds": 0.0}) is None
