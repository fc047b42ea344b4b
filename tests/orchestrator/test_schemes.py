"""Results under any scheme that an fsspec package serves go through every verb, as those on a local disk do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from click.testing import CliRunner, Result
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from analysis.tables.read import read
from orchestrator.cli import main
from orchestrator.commands import profile
from tests.orchestrator.commands.test_profile import ROWS
from tests.orchestrator.experiments import write_experiment


class Elsewhere(DirFileSystem):
    """What lies at `elsewhere://` is in the folder `root`."""

    protocol = "elsewhere"
    cachable = False
    root = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(path=self.root, fs=LocalFileSystem(auto_mkdir=True), **options)


@pytest.fixture(scope="module", params=["elsewhere://mine", "fsspec+memory://"])
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A place that pyarrow alone does not know, with the results of a sweep at `<place>/results`."""
    folder = tmp_path_factory.mktemp("schemes")
    Elsewhere.root = str(folder)
    fsspec.register_implementation("elsewhere", Elsewhere, clobber=True)
    path = write_experiment(folder, save="best-per-system", seeds=[2])
    swept = json.loads(invoke("sweep", path, "--in-process", "--out", f"{request.param}/results", "--json").stdout)
    assert swept["ran"] == 2
    yield request.param
    fsspec.filesystem("memory").store.clear()


def invoke(*arguments: str | Path) -> Result:
    """One command that ends well."""
    found = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert (found.exit_code, found.exception) == (0, None), found.output
    return found


def files(place: str) -> set[str]:
    """The names of the files directly in there."""
    filesystem, path = fsspec.url_to_fs(place.removeprefix("fsspec+"))
    return {found.rpartition("/")[2] for found in filesystem.ls(path, detail=False)}


def test_a_sweep_ends_with_its_analysis_beside_the_results(where: str) -> None:
    assert {"report.html", "summary_statistics.csv", "figures"} <= files(f"{where}/results/analysis")


def test_the_results_are_shown_and_whole(where: str) -> None:
    assert json.loads(invoke("status", f"{where}/results", "--json").stdout)["counts"]["completed"] == 2
    rows = json.loads(invoke("results", f"{where}/results", "--json").stdout)["runs"]
    assert {row["system"] for row in rows} == {"tiny", "slow"}
    assert json.loads(invoke("verify", f"{where}/results", "--json").stdout)["damage"] == []
    assert invoke("logs", "tiny:2", "--out", f"{where}/results").stdout


def test_they_are_analysed_into_another_folder_there_and_a_table_is_read_alone(where: str) -> None:
    found = json.loads(invoke("analyze", f"{where}/results", "--out", f"{where}/report", "--json").stdout)
    assert {row["system"] for row in found["systems"]} == {"tiny", "slow"}
    assert "report.html" in files(f"{where}/report")
    assert len(read([f"{where}/results/runs.parquet"]).runs) == 2


def test_a_profile_is_written_there(where: str) -> None:
    written = profile.write(ROWS, f"{where}/profile")
    assert {name.partition("/")[0] for name in written} == files(f"{where}/profile")


def test_a_sweep_goes_on_from_them(where: str, tmp_path: Path) -> None:
    path = write_experiment(tmp_path, save="best-per-system", seeds=[2, 3])
    planned = json.loads(invoke("plan", path, "--out", f"{where}/results", "--json").stdout)
    assert [run["seed"] for run in planned["pending"]] == [3, 3]


def test_the_best_run_is_exported_and_answers(where: str, tmp_path: Path) -> None:
    rows = json.loads(invoke("results", f"{where}/results", "--json").stdout)["runs"]
    best = max((row for row in rows if row["system"] == "tiny"), key=lambda row: row["score"])
    invoke("export", best["run_id"], "--out", f"{where}/results", "--to", tmp_path / "model")
    assert (tmp_path / "model/README.md").is_file()
