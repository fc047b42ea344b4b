"""Faults of `faults.md` that hit lanes while they work; afterwards the records are those of a sweep without faults."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import ClusterTooSmall
from orchestrator.executors.events import (
    EpochReported,
    Event,
    LaneLost,
    LaneRetired,
    LaneStarted,
    RunFailed,
    RunFinished,
)
from orchestrator.executors.in_process import InProcess
from orchestrator.storage import Store
from tests.orchestrator.executors.scene import (
    HOSTILE,
    crawling,
    lanes,
    of_run,
    open_gate,
    prepare,
    ray_processes,
    tables,
    tiny_run,
)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.fault,
    pytest.mark.usefixtures("ray_cluster"),
    pytest.mark.filterwarnings("default"),  # Ray warns of its own code, in this process
]
OURS = ("RayTrainWorker", "TrainController", "Control", "ImplicitFunc")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("scene"))


def of_task(scene: Path, name: str, seed: int = 0) -> RunSpec:
    """A run of one of the hostile tasks."""
    return tiny_run(scene, seed, task=str(HOSTILE / f"{name}.py")).model_copy(update={"system": name})


def signal_process(title: str, number: int = signal.SIGKILL) -> None:
    """Hit the first of the Ray processes with this title."""
    os.kill(ray_processes(title)[0].pid, number)


@dataclass
class Blow:
    """What befalls a crawling run at its first epoch; when it has failed of that, its gate is opened."""

    run: RunSpec
    strike: Callable[[], None]
    fallen: bool = False

    def hear(self, event: Event) -> None:
        if isinstance(event, EpochReported) and event.run_id == self.run.run_id and not self.fallen:
            self.fallen = True
            self.strike()
        elif isinstance(event, RunFailed) and event.run_id == self.run.run_id and self.fallen:
            open_gate(self.run)


def hearing(blows: Sequence[Blow], events: list[Event]) -> Callable[[Event], None]:
    """A listener that keeps the events and deals the blows."""

    def listen(event: Event) -> None:
        events.append(event)
        for blow in blows:
            blow.hear(event)

    return listen


def assert_as_without_faults(store: Store, runs: Sequence[RunSpec], folder: Path) -> None:
    """The records equal, bit for bit, those that the same runs leave in this process."""
    clean = Store.open(folder)
    InProcess(clean, threads=1).execute(runs, lambda event: None)
    for kind, ours in tables(store).items():
        theirs = tables(clean)[kind]
        ours = ours[ours["run_id"].isin(theirs["run_id"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_dtype=False)


def assert_no_lane_is_left() -> None:
    """No process of a lane outlives the execution; they may take seconds to go."""
    deadline = time.monotonic() + 20
    while any(left := [process for title in OURS for process in ray_processes(title)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def kinds(store: Store, run: RunSpec) -> list[str | None]:
    return [attempt.kind for attempt in store.attempts(run.run_id)]


def test_stopped_and_starved_workers_cost_attempts_and_nothing_else(scene: Path, tmp_path: Path) -> None:
    """Rows 2 and 15: one lane goes through both, and the last run on it is right."""
    store, events = Store.open(tmp_path / "lanes"), list[Event]()
    stalled, last, starved = crawling(scene, tmp_path, 1), tiny_run(scene, 2), of_task(scene, "out_of_memory")
    blow = Blow(stalled, lambda: signal_process("RayTrainWorker", signal.SIGSTOP))
    limits = {"attempts_per_run": 2, "stall_seconds": 10.0}
    lanes(store, lanes=1, limits=limits).execute([stalled, starved, last], hearing([blow], events))

    assert kinds(store, stalled) == ["stalled"]
    assert kinds(store, starved) == ["out_of_memory", "out_of_memory"]
    assert kinds(store, last) == []
    assert set(store.recorded()) == {stalled.run_id, last.run_id}
    assert_as_without_faults(store, [stalled, last], tmp_path / "clean")
    assert_no_lane_is_left()


@pytest.mark.soak
def test_workers_that_die_once_or_every_time_cost_attempts_and_nothing_else(scene: Path, tmp_path: Path) -> None:
    """Rows 1 and 16: a run that kills its workers at every start costs two of them, and the lane goes on."""
    store, events = Store.open(tmp_path / "lanes"), list[Event]()
    killed, last, deadly = crawling(scene, tmp_path, 0), tiny_run(scene, 2), of_task(scene, "dies")
    blow = Blow(killed, lambda: signal_process("RayTrainWorker"))
    lanes(store, lanes=1, limits={"attempts_per_run": 2}).execute([killed, deadly, last], hearing([blow], events))

    assert kinds(store, killed) == ["lost"]
    assert kinds(store, deadly) == ["lost", "lost"]
    assert kinds(store, last) == []
    assert set(store.recorded()) == {killed.run_id, last.run_id}
    failures = [event.will_retry for event in of_run(events, deadly) if isinstance(event, RunFailed)]
    assert failures == [True, False]
    assert not any(isinstance(event, LaneRetired) and "worker groups in a row" in event.reason for event in events)
    assert_as_without_faults(store, [killed, last], tmp_path / "clean")
    assert_no_lane_is_left()


def test_a_rank_that_raises_alone_or_dies_ends_its_group_and_the_run_is_right_in_the_end(
    scene: Path, tmp_path: Path
) -> None:
    """Rule 5, and row 1 with rank 1: the run is charged with what that rank raised, then with its loss."""
    store, events = Store.open(tmp_path / "lanes"), list[Event]()
    run = crawling(scene, tmp_path, 4, "raises_alone", dropout=0.0)

    def kill_rank_one() -> None:
        os.kill(max(process.pid for process in ray_processes("RayTrainWorker")), signal.SIGKILL)

    executor = lanes(store, lanes=1, workers_per_run=2)
    executor.execute([run], hearing([Blow(run, kill_rank_one)], events))

    assert kinds(store, run) == ["crashed", "lost"]
    crashed = store.attempts(run.run_id)[0]
    assert crashed.message == "rank 1: ArithmeticError: rank 1 is alone with this"
    assert "Traceback" in str(crashed.traceback)
    assert set(store.recorded()) == {run.run_id}
    clean = Store.open(tmp_path / "clean")
    InProcess(clean, threads=1).execute([run], lambda event: None)
    ours, theirs = tables(store)["epochs"], tables(clean)["epochs"]
    assert ours["train_loss"].to_numpy() == pytest.approx(theirs["train_loss"].to_numpy(), rel=1e-3)
    assert_no_lane_is_left()


def test_controller_trial_and_control_actor_may_die_and_every_run_is_recorded(scene: Path, tmp_path: Path) -> None:
    """Row 3: a new trainer, another trial for the same run, and a new session, in this order."""
    store, events = Store.open(tmp_path / "lanes"), list[Event]()
    runs = [crawling(scene, tmp_path, seed) for seed in (5, 6, 7)]

    def kill_trial() -> None:
        signal_process("ImplicitFunc")
        open_gate(runs[1])

    strikes = (lambda: signal_process("TrainController"), kill_trial, lambda: signal_process("Control"))
    blows = [Blow(run, strike) for run, strike in zip(runs, strikes, strict=True)]
    lanes(store, lanes=1).execute(runs, hearing(blows, events))

    assert all(blow.fallen for blow in blows)
    assert set(store.recorded()) == {run.run_id for run in runs}
    # a worker whose control actor died may still write that it stopped, or come first or second with its record
    assert [kinds(store, run).count("lost") for run in runs] in ([1, 0, 1], [1, 0, 0])
    assert {kind for run in runs for kind in kinds(store, run)} <= {"lost", "stopped", "superseded"}
    finished = [event.run_id for event in events if isinstance(event, RunFinished)]
    assert sorted(finished) == sorted(run.run_id for run in runs)
    assert_as_without_faults(store, runs, tmp_path / "clean")
    assert_no_lane_is_left()


def test_resources_that_never_come_are_refused_at_the_start_with_what_there_is(scene: Path, tmp_path: Path) -> None:
    """Row 21."""
    events: list[Event] = []
    with pytest.raises(ClusterTooSmall, match=r"99 GPUs .* the cluster has \d+ CPUs and 0 GPUs on 1 node"):
        lanes(Store.open(tmp_path), gpus_per_worker=99).execute([tiny_run(scene)], events.append)
    assert not any(isinstance(event, LaneStarted | LaneLost) for event in events)


def test_eight_workers_share_a_lane_and_compute_what_one_does(scene: Path, tmp_path: Path) -> None:
    """The layout of eight devices in one node, on gloo: the same losses as one worker."""
    store, run = Store.open(tmp_path / "lanes"), tiny_run(scene, 8, epochs=2, batch_size=8, dropout=0.0)
    events: list[Event] = []
    lanes(store, workers_per_run=8).execute([run], events.append)
    started = next(event for event in events if isinstance(event, LaneStarted))
    assert len(started.hosts) == 8
    clean = Store.open(tmp_path / "clean")
    InProcess(clean, threads=1).execute([run], lambda event: None)
    ours, theirs = tables(store)["epochs"], tables(clean)["epochs"]
    assert len(ours) == 2
    assert ours["eval_loss"].to_numpy() == pytest.approx(theirs["eval_loss"].to_numpy(), rel=1e-4)
    assert_no_lane_is_left()
