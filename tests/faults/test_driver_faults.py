"""Faults of `faults.md` that hit the driver or the head: the same command afterwards completes what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from orchestrator.executors.in_process import InProcess
from orchestrator.spec import grid
from orchestrator.spec.experiment_file import load
from orchestrator.spec.resolve import resolve
from orchestrator.storage import Store
from tests.orchestrator.executors.scene import tables
from tests.orchestrator.experiments import write_experiment

pytestmark = pytest.mark.ray
START_SECONDS = 120
RUNS = 6


def sweeping(experiment: Path, out: Path) -> subprocess.Popen[str]:
    """`orchestrate sweep` on one lane, in a process of its own."""
    command = [sys.executable, "-m", "orchestrator", "sweep", str(experiment), "--out", str(out), "--lanes", "1"]
    return subprocess.Popen(
        [*command, "--no-analyze"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for_records(out: Path, number: int, driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """Until that many runs are recorded; returns every process below the driver."""
    deadline = time.monotonic() + START_SECONDS
    while len(list(out.glob("runs/*/run.parquet"))) < number:
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < deadline, "no record in time"
        time.sleep(0.05)
    return psutil.Process(driver.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    """Ray ends its processes some seconds after the driver or the head is gone."""
    _, left = psutil.wait_procs(processes, timeout=60)
    assert left == []


def assert_complete(experiment: Path, out: Path, folder: Path) -> None:
    """Every cell has one record, equal to that of an undisturbed execution outside the volatile columns."""
    runs = grid.runs(resolve(load(str(experiment))))
    clean = Store.open(folder)
    InProcess(clean, threads=os.cpu_count() or 1).execute(runs, lambda event: None)
    store = Store.open(out)
    assert set(store.recorded()) == {run.run_id for run in runs}
    for kind, ours in tables(store).items():
        pd.testing.assert_frame_equal(ours, tables(clean)[kind], check_exact=True, check_dtype=False)


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    models = {"tiny": {"path": "model"}}
    return write_experiment(tmp_path, models=models, seeds=f"1-{RUNS}", train={"epochs": 6, "batch_size": 4})


def test_a_killed_driver_leaves_records_and_no_process_and_the_same_command_completes(
    experiment: Path, tmp_path: Path
) -> None:
    """Rows 6 and 7, and promises 1 to 4."""
    out = tmp_path / "out"
    driver = sweeping(experiment, out)
    processes = wait_for_records(out, 2, driver)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    kept = {path: path.read_bytes() for path in out.glob("runs/*/run.parquet")}
    assert_gone(processes)

    again = sweeping(experiment, out)
    output = again.communicate(timeout=200)[0]
    assert again.returncode == 0, output
    assert f"{RUNS} runs, {len(kept)} recorded" in output
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert_complete(experiment, out, tmp_path / "clean")


def test_a_lost_head_ends_the_driver_in_time_and_the_same_command_completes(experiment: Path, tmp_path: Path) -> None:
    """Row 5."""
    out = tmp_path / "out"
    driver = sweeping(experiment, out)
    processes = wait_for_records(out, 1, driver)
    next(process for process in processes if process.name().startswith("gcs_server")).kill()
    output = driver.communicate(timeout=120)[0]
    assert driver.returncode == 4, output
    assert "cluster" in output
    assert "lost" in output
    assert_gone(processes)

    again = sweeping(experiment, out)
    output = again.communicate(timeout=200)[0]
    assert again.returncode == 0, output
    assert_complete(experiment, out, tmp_path / "clean")
