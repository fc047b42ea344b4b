"""A search is killed and goes on as if it had not been; trials that are stopped in a row leave nothing behind."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil
import pytest
import ray
from ray.util import placement_group_table

from analysis.tables.schema import VOLATILE_COLUMNS
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.search import search
from orchestrator.commands.sweep import SweepOptions
from orchestrator.config.load import load
from orchestrator.config.resolve import resolve
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.events import Decision, EpochReported, Event, RunFinished
from orchestrator.storage import Store
from tests.faults import doors
from tests.faults.driver import Driver, assert_gone
from tests.orchestrator.executors.scene import HOSTILE, lanes, prepare, ray_processes, tables, tiny_run
from tests.orchestrator.experiments import write_experiment

SEARCH = {
    "parameters": {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}, "train.batch_size": {"choice": [4, 8]}},
    "trials": 4,
}

pytestmark = pytest.mark.fault


def options(out: Path) -> SweepOptions:
    return SweepOptions(out=str(out), layout=LayoutOptions(in_process=True))


def trials(out: Path) -> pd.DataFrame:
    """The table of trials, without what two honest searches differ in."""
    found = pd.read_parquet(out / "trials.parquet")
    return found.drop(columns=[name for name in found if name in VOLATILE_COLUMNS or name == "seconds"])


def test_a_search_that_is_killed_again_and_again_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """Killed in its first trial, and with trials that wait: none is lost, repeated or proposed otherwise."""
    models = {"tiny": {"path": "model"}}
    path = write_experiment(tmp_path, models=models, search=SEARCH, train={"epochs": 2, "batch_size": 4})
    for moment in ("trial 1: started", ": completed"):
        with Driver(path, tmp_path / "out", "--in-process", verb="search") as driver:
            driver.wait_for(moment)
            driver.hit(signal.SIGKILL)
            driver.end()
    proposed = {found: found.read_bytes() for found in (tmp_path / "out" / "search").glob("*/0*.json")}
    recorded = {found: found.read_bytes() for found in (tmp_path / "out" / "runs").glob("*/run.parquet")}
    assert len(proposed) >= 3
    assert 1 <= len(recorded) < len(proposed)
    for place in ("out", "clean"):
        assert search(resolve(load(str(path))), options(tmp_path / place)).exit_code == 0
    assert all(found.read_bytes() == data for found, data in {**proposed, **recorded}.items())
    pd.testing.assert_frame_equal(trials(tmp_path / "out"), trials(tmp_path / "clean"), check_exact=True)
    clean = tables(Store.open(tmp_path / "clean"))
    for kind, ours in tables(Store.open(tmp_path / "out")).items():
        pd.testing.assert_frame_equal(ours, clean[kind], check_exact=True)


@pytest.mark.ray
@pytest.mark.filterwarnings("default")  # Ray warns of its own code, in this process
@pytest.mark.parametrize(
    ("lose", "workers"), [(Driver.lose_node, "2"), pytest.param(Driver.lose_head, "1", marks=pytest.mark.soak)]
)
def test_a_lost_head_or_node_ends_a_search_with_its_exit_code(
    lose: Callable[[Driver], None], workers: str, tmp_path: Path
) -> None:
    """Here Tune asks for trials all the time, also while the cluster goes; and two ranks meet on loopback only."""
    task = shutil.copy(HOSTILE / "waits.py", tmp_path)
    path = write_experiment(tmp_path, task=str(task), models={"tiny": {"path": "model"}}, search=SEARCH)
    with Driver(path, tmp_path / "out", "--lanes", "1", "--workers", workers, verb="search") as driver:
        driver.wait_for("started on lane 0")
        family = driver.family()
        found = doors.listening([driver.process, *family])
        assert [door.program for door in found].count("ray::RayTrainWorker") > int(workers)
        assert [door for door in found if not door.is_local] == []
        lose(driver)
        assert driver.end() == 4, driver.output
    assert "was lost" in driver.output
    assert_gone(family)


@dataclass
class StopsAll:
    """One run after another, each ended after its first epoch."""

    waiting: list[RunSpec]
    groups: list[int] = field(default_factory=list)

    def react(self, event: Event) -> Decision:
        if isinstance(event, EpochReported):
            return Decision(prune=(event.run_id,), coming=len(self.waiting))
        start: list[RunSpec] = []
        if isinstance(event, RunFinished):
            self.groups.append(reserved())
            start = [self.waiting.pop(0)] if self.waiting else []
        return Decision(tuple(start), coming=len(self.waiting))


def reserved() -> int:
    """How many placement groups there are."""
    return sum(found["state"] != "REMOVED" for found in placement_group_table().values())


@pytest.mark.ray
@pytest.mark.filterwarnings("default")  # Ray warns of its own code, in this process
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("num_trials", [5, pytest.param(30, marks=pytest.mark.soak)])
def test_trials_stopped_in_a_row_leave_no_process_no_placement_group_and_no_reservation(
    num_trials: int, tmp_path: Path
) -> None:
    scene, store = prepare(tmp_path / "scene"), Store.open(tmp_path / "out")
    runs = [tiny_run(scene, seed, epochs=100_000) for seed in range(num_trials)]
    run_source = StopsAll(runs[1:])
    processes = len(ray_processes(""))
    lanes(store, lanes=1).execute([runs[0]], lambda event: None, run_source)
    assert store.recorded() == {run.run_id: "pruned" for run in runs}
    assert len(set(run_source.groups)) == 1, "the lane's reservation and that of its trial, however many it has had"
    assert reserved() == 0
    assert ray.available_resources()["CPU"] == ray.cluster_resources()["CPU"]
    left = [found for title in ("TrainController", "RayTrainWorker", "ImplicitFunc") for found in ray_processes(title)]
    assert psutil.wait_procs(left, timeout=30)[1] == []
    assert len(ray_processes("")) <= processes + 2  # idle workers that Ray keeps for the next task
