"""Faults of `faults.md` that hit the driver or the head: the same command afterwards completes what is missing."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from orchestrator.executors.ray_lanes.connection import RAY
from orchestrator.storage import Store
from tests.fault_seed import generator
from tests.faults import doors
from tests.faults.driver import Driver, Scene, assert_as_undisturbed, assert_gone, prepare

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.filterwarnings("default")]
ONE_LANE = ("--lanes", "1")
MOMENTS = (("completed", 0.3), ("3 runs", 3.0), ("cluster ready", 6.0))  # a record; Ray starts; the lane starts


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepare(tmp_path_factory.mktemp("scene"))


def attempts(out: Path, scene: Scene) -> list[str]:
    return [attempt.status for run in scene.runs for attempt in Store.open(out).attempts(run.run_id)]


def test_whatever_ends_the_driver_costs_no_record_leaves_no_process_and_the_same_command_goes_on(
    scene: Scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows 8, 5 and 7, and promises 1 to 4: a signal, a lost head and a kill, one after another.

    While it lasts, nobody but this user on this machine reaches the cluster; afterwards nothing of it is left.
    """
    out, temporary = tmp_path / "out", tmp_path_factory.mktemp("t")
    scene.close_gate()
    with Driver(scene.experiment, out, *ONE_LANE, temporary=temporary) as driver:
        driver.wait_for("started on lane 0")
        time.sleep(2.0)
        family, folder = driver.family(), driver.folder()
        assert_private([driver.process, *family], folder)
        driver.hit(signal.SIGTERM)
        assert driver.end() == 143, driver.output
    assert "tiny seed 1: stopped with a checkpoint" in driver.output
    assert "0 runs executed, 3 pending of 3 runs" in driver.output
    assert "error" not in driver.output
    assert "RAY_AUTH_MODE" not in driver.output
    assert "(log in with the token that `ray get-auth-token` prints)" in driver.output
    assert attempts(out, scene) == ["stopped"]
    assert_gone(family)
    assert [folder.exists(), *temporary.glob("pymp-*")] == [False]

    ends_with_what_it_lost(scene, out, Driver.lose_head, "the Ray cluster at ")
    scene.open_gate()
    kept = kill(scene, out, *MOMENTS[0], {}, generator())
    assert "going on from step" in (out / "runs" / scene.runs[0].run_id / "log.txt").read_text()
    with Driver(scene.experiment, out, *ONE_LANE) as driver:
        assert driver.end() == 0, driver.output
    assert f"3 runs, {len(kept)} recorded" in driver.output
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert_as_undisturbed(scene, out)
    assert not any("orchestrate" in " ".join(process.cmdline()) for process in psutil.Process().children())


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("repetition", range(5))
def test_a_sweep_that_loses_its_node_and_is_killed_again_and_again_ends_like_one_that_was_not(
    scene: Scene, tmp_path: Path, repetition: int
) -> None:
    """Rows 6 and 7: the same at random times, with a record, while Ray starts, and while the lane starts."""
    out, random_numbers = tmp_path / "out", generator(repetition)
    scene.close_gate()
    ends_with_what_it_lost(scene, out, Driver.lose_node, "the Ray node on this machine, at ")
    scene.open_gate()
    kept: dict[Path, bytes] = {}
    for moment, most_seconds in MOMENTS:
        kept = kill(scene, out, moment, most_seconds, kept, random_numbers)
    with Driver(scene.experiment, out, *ONE_LANE) as driver:
        assert driver.end() == 0, driver.output
    assert f"3 runs, {len(kept)} recorded" in driver.output
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert_as_undisturbed(scene, out)


def ends_with_what_it_lost(scene: Scene, out: Path, lose: Callable[[Driver], None], lost: str) -> None:
    """A driver without its head or node ends with exit code 4, in words, and leaves no process."""
    with Driver(scene.experiment, out, *ONE_LANE) as driver:
        driver.wait_for("started on lane 0")
        family = driver.family()
        lose(driver)
        assert driver.end() == 4, driver.output
    assert f"error: {lost}" in driver.output
    assert "was lost; records are safe, and the same command continues from them" in driver.output
    assert_gone(family)


def assert_private(processes: Sequence[psutil.Process], folder: Path) -> None:
    """Every socket of the driver and its cluster is at a loopback address, and their folder is closed to others."""
    found = doors.listening(processes)
    assert {"gcs_server", "raylet", "dashboard.py", "ray::DashboardAgent", "ray::RayTrainWorker"} <= {
        door.program for door in found
    }
    assert doors.metrics(folder / RAY) & {door.port for door in found}
    assert [door for door in found if not door.is_local] == []
    assert doors.open_to_others(folder) == []


def kill(
    scene: Scene, out: Path, moment: str, most_seconds: float, kept: dict[Path, bytes], random_numbers: random.Random
) -> dict[Path, bytes]:
    """Kill the driver some time after it says `moment`; `kept` is what was recorded before, the answer what is now."""
    with Driver(scene.experiment, out, *ONE_LANE) as driver:
        driver.wait_for(moment)
        time.sleep(random_numbers.uniform(0, most_seconds))
        family = driver.family()
        driver.hit(signal.SIGKILL)
        driver.end()
    assert_gone(family)
    assert all(path.read_bytes() == data for path, data in kept.items())
    recorded = {path: path.read_bytes() for path in out.glob("runs/*/run.parquet")}
    assert recorded
    return recorded
