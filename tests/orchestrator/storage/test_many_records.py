"""Looking at thousands of records costs what listing them costs: no verb goes through them again for each of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from analysis.tables.schema import Kind, sha256, to_parquet_bytes, to_table
from orchestrator.cli import main
from orchestrator.commands.results import ordered
from orchestrator.config.load import load
from orchestrator.config.resolve import grid_runs, resolve
from orchestrator.storage import Store
from orchestrator.storage.cells import cell_columns, spec_columns
from orchestrator.storage.manifest import Manifest
from tests.orchestrator.experiments import write_experiment

NUM_SEEDS = 1500
SECONDS = 5.0  # of processor time, where going through all records for each takes ten and more


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of two systems, and its finished results as listings and tables show them.

    What is in the records is left out: nobody should read what the tables were made with.
    """
    folder = tmp_path_factory.mktemp("many")
    resolved = resolve(load(str(write_experiment(folder, seeds=f"1-{NUM_SEEDS}"))))
    runs = grid_runs(resolved)
    store = Store.open(folder / "out")
    store.write_experiment(resolved.experiment.model_dump(mode="json"), [cell_columns(run) for run in runs])
    for run in runs:
        own = folder / "out" / "runs" / run.run_id
        own.mkdir(parents=True)
        for name in ("run.parquet", record_of(run.run_id)):
            (own / name).touch()
    rows = [
        {**spec_columns(run), "status": "completed", "score": number / 10_000, "metric_accuracy": 1 - number / 10_000}
        for number, run in enumerate(runs)
    ]
    write_tables(folder / "out", rows)
    return folder


def record_of(run_id: str) -> str:
    """The name of a run's record file."""
    return f"record-{run_id}.json"


def write_tables(out: Path, rows: list[Mapping[str, Any]]) -> None:
    """The compacted tables of these runs, without epochs and predictions."""
    contents: dict[Kind, list[Mapping[str, Any]]] = {"runs": rows, "epochs": [], "predictions": []}
    files = {f"{kind}.parquet": to_parquet_bytes(to_table(kind, content)) for kind, content in contents.items()}
    for name, data in files.items():
        (out / name).write_bytes(data)
    tables = {name: {"sha256": sha256(data), "bytes": len(data), "rows": 0} for name, data in files.items()}
    records = {str(row["run_id"]): {"record": record_of(str(row["run_id"])), "status": "completed"} for row in rows}
    (out / "manifest.json").write_bytes(Manifest(tables, {}, records, {}).to_bytes())


def timely(*arguments: str) -> Result:
    """One command, and that it did not take long."""
    started = time.process_time()
    result = CliRunner().invoke(main, list(arguments))
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    assert time.process_time() - started < SECONDS
    return result


def test_status_and_results_answer_in_time(folder: Path) -> None:
    assert "1500       1500        0" in timely("status", str(folder / "out")).stdout
    shown = timely("results", str(folder / "out"))
    assert len(shown.stdout.splitlines()) == 2 * NUM_SEEDS + 1
    assert "cells have not run yet" not in shown.stderr


def test_a_sweep_with_nothing_to_do_ends_in_time(folder: Path) -> None:
    given = ("sweep", str(folder / "tiny.yaml"), "--out", str(folder / "out"), "--no-analyze")
    assert "0 runs executed, 3000 completed of 3000 runs" in timely(*given).stdout


def test_results_are_shown_without_their_predictions_and_epochs(folder: Path, tmp_path: Path) -> None:
    out = shutil.copytree(folder / "out", tmp_path / "out", ignore=shutil.ignore_patterns("runs"))
    for run_id in sorted(path.name for path in (folder / "out" / "runs").iterdir())[:5]:
        shutil.copytree(folder / "out" / "runs" / run_id, out / "runs" / run_id)
    for name in ("predictions.parquet", "epochs.parquet"):
        (out / name).write_bytes(b"whoever reads this finds that it is damaged")

    shown = CliRunner().invoke(main, ["results", str(out)])
    assert shown.exit_code == 0, shown.stderr
    assert "parquet: its SHA-256" not in shown.stderr


def test_results_are_ordered_by_a_column_and_a_metric_can_stand_in_place_of_the_score(folder: Path) -> None:
    shown = timely("results", str(folder / "out"), "--sort", "-score", "--metric", "accuracy").stdout.splitlines()
    assert shown[0].split() == ["system", "seed", "status", "accuracy", "run_id"]
    assert shown[1].split()[:4] == ["slow", "1500", "completed", "0.7001"]


def test_an_order_is_of_a_column_or_a_metric_and_what_lacks_it_comes_last() -> None:
    runs = [{"seed": 1, "metric_f1": 0.5}, {"seed": 2, "metric_f1": None}, {"seed": 3, "metric_f1": 0.7}]
    orders = {key: [run["seed"] for run in ordered(runs, key)] for key in ("f1", "-f1", "-metric_f1", "-seed")}
    assert orders == {"f1": [1, 3, 2], "-f1": [3, 1, 2], "-metric_f1": [3, 1, 2], "-seed": [3, 2, 1]}


def test_a_column_that_no_run_has_is_refused_with_those_that_there_are(folder: Path) -> None:
    for option in ("--sort", "--metric"):
        result = CliRunner().invoke(main, ["results", str(folder / "out"), option, "acuracy"])
        assert result.exit_code == 2
        assert "no run has a column or metric 'acuracy'; did you mean 'accuracy'? known: accuracy, " in result.stderr
