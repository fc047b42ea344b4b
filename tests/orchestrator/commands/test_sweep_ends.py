"""How sweeps end that do not simply finish: interrupted, diverged, damaged; and that the next one completes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.tables.schema import VOLATILE_COLUMNS
from orchestrator.cli import main
from orchestrator.storage import Store
from tests.orchestrator.experiments import write_experiment

PROGRAM = [sys.executable, "-c", "from orchestrator.cli import main; main()"]


def sweep(path: Path, out: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and document of a sweep in this process."""
    given = ["sweep", str(path), "--in-process", "--out", str(out), "--no-analyze", "--json", *arguments]
    result = CliRunner().invoke(main, given)
    return result.exit_code, json.loads(result.stdout)


def lasting(out: Path) -> pd.DataFrame:
    """The `runs` table without what two honest executions may differ in."""
    table = Store.open(out).table("runs")
    assert table is not None
    frame = table.to_pandas().drop(columns=list(VOLATILE_COLUMNS), errors="ignore")
    return frame.sort_values("run_id", ignore_index=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """An experiment of some seconds, and the `runs` table that it leaves when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = write_experiment(folder, train={"epochs": 6, "batch_size": 4, "learning_rate": 1e-3}, seeds="1-2")
    assert sweep(path, folder / "clean")[0] == 0
    return path, lasting(folder / "clean")


@pytest.mark.fault
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.soak),
    ],
)
def test_an_interrupted_sweep_ends_in_order_and_the_next_one_completes_it(
    undisturbed: tuple[Path, pd.DataFrame], tmp_path: Path, number: int, code: int
) -> None:
    (path, expected), out = undisturbed, tmp_path / "out"
    given = [*PROGRAM, "sweep", str(path), "--in-process", "--out", str(out)]
    process = subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr is not None
    for line in process.stderr:
        if "[1/4]" in line:
            process.send_signal(number)
            break
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == code, stderr
    assert "stopping at the next control point" in stderr
    assert f"results: {out}" in stdout
    assert "next:    orchestrate sweep" in stdout
    assert 1 <= len(Store.open(out).recorded()) < 4
    assert sweep(path, out)[0] == 0
    pd.testing.assert_frame_equal(lasting(out), expected)


def test_a_diverged_run_is_recorded_once_and_ends_the_sweep_with_3(tmp_path: Path) -> None:
    path = write_experiment(
        tmp_path, models={"good": {"path": "model"}, "bad": {"path": "model", "learning_rate": 1e9}}
    )
    out = tmp_path / "out"
    changes = ("--set", "models.bad.clip=null", "--set", "train.epochs=4")
    code, found = sweep(path, out, *changes)
    counts = {system["system"]: system for system in found["status"]["systems"]}
    assert (code, counts["bad"]["diverged"]) == (3, 2)
    assert counts["good"]["completed"] + counts["good"]["collapsed"] == 2
    code, again = sweep(path, out, *changes)
    assert (code, again["ran"]) == (3, 0)


def test_a_damaged_record_is_set_aside_and_run_again_by_the_next_sweep(tmp_path: Path) -> None:
    path, out = write_experiment(tmp_path), tmp_path / "out"
    sweep(path, out)
    before = lasting(out)
    run_id = str(before["run_id"][0])
    for table in ("runs.parquet", "epochs.parquet", "predictions.parquet", "manifest.json"):
        (out / table).unlink()
    record = out / "runs" / run_id / "run.parquet"
    record.write_bytes(record.read_bytes()[:-100])
    code, found = sweep(path, out)
    assert (code, found["ran"]) == (0, 1)
    assert any(run_id in text for text in found["warnings"])
    pd.testing.assert_frame_equal(lasting(out), before)
