"""Faults of `faults.md` that hit the driver or the head: the same command afterwards completes what is missing."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from orchestrator.executors.ray_lanes.private_cluster import RAY
from orchestrator.storage import Store
from tests.faults import doors
from tests.faults.driver import Driver, Scene, assert_as_undisturbed, assert_gone, prepare

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepare(tmp_path_factory.mktemp("scene"))


def attempts(out: Path, scene: Scene) -> list[str]:
    return [attempt.status for run in scene.runs for attempt in Store.open(out).attempts(run.run_id)]


def test_whatever_ends_the_driver_costs_no_record_leaves_no_process_and_the_same_command_goes_on(
    scene: Scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows 8, 5, 6 and 7, and promises 1 to 4: a signal, a lost head, and kills at random times, one after another.

    While it lasts, nobody but this user on this machine reaches the cluster; afterwards nothing of it is left.
    """
    out, one_lane, temporary = tmp_path / "out", ("--lanes", "1"), tmp_path_factory.mktemp("t")
    scene.close_gate()
    with Driver(scene.experiment, out, *one_lane, temporary=temporary) as driver:
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

    for lose, lost in (
        (Driver.lose_head, "the Ray cluster at "),
        (Driver.lose_node, "the Ray node on this machine, at "),
    ):
        with Driver(scene.experiment, out, *one_lane) as driver:
            driver.wait_for("started on lane 0")
            family = driver.family()
            lose(driver)
            assert driver.end() == 4, driver.output
        assert f"error: {lost}" in driver.output
        assert "was lost; records are safe, and the same command goes on from them" in driver.output
        assert_gone(family)

    scene.open_gate()
    kept = killed_again_and_again(scene, out)
    assert "going on from step" in (out / "runs" / scene.runs[0].run_id / "log.txt").read_text()
    with Driver(scene.experiment, out, *one_lane) as driver:
        assert driver.end() == 0, driver.output
    assert f"3 runs, {len(kept)} recorded" in driver.output
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert_as_undisturbed(scene, out)
    assert not any("orchestrate" in " ".join(process.cmdline()) for process in psutil.Process().children())


def assert_private(processes: Sequence[psutil.Process], folder: Path) -> None:
    """Every socket of the driver and its cluster is at a loopback address, and their folder is closed to others."""
    found = doors.listening(processes)
    assert {"gcs_server", "raylet", "dashboard.py", "ray::DashboardAgent", "ray::RayTrainWorker"} <= {
        door.program for door in found
    }
    assert doors.metrics(folder / RAY) & {door.port for door in found}
    assert [door for door in found if not door.is_local] == []
    assert doors.open_to_others(folder) == []


def killed_again_and_again(scene: Scene, out: Path) -> dict[Path, bytes]:
    """Kill the driver with a record, while Ray starts, and while the lane starts; what is recorded then."""
    generator, kept = random.Random(2), dict[Path, bytes]()
    for moment, most_seconds in (("completed", 0.3), ("3 runs", 3.0), ("cluster ready", 6.0)):
        with Driver(scene.experiment, out, "--lanes", "1") as driver:
            driver.wait_for(moment)
            time.sleep(generator.uniform(0, most_seconds))
            family = driver.family()
            driver.hit(signal.SIGKILL)
            driver.end()
        assert_gone(family)
        assert all(path.read_bytes() == data for path, data in kept.items())
        kept = {path: path.read_bytes() for path in out.glob("runs/*/run.parquet")}
        assert kept
    return kept
