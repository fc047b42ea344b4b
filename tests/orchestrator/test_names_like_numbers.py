"""Names that YAML could take for numbers, dates or nothing go through sweep, status, analyze and sweeping on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from analysis.tables.experiment_file import MARK
from orchestrator.cli import main
from orchestrator.config.load import load, name_in
from orchestrator.storage import Store
from tests.orchestrator.experiments import write_experiment

NAMES = ("1e5", "0o17", "2026-01-31")
OF_EXPERIMENTS = (
    *(
        "6125e45",
        "1e5",
        "0x1F",
        "0o17",
        "on",
        "no",
        "null",
        "~",
        "true",
        "2026-01-01",
        "1_000",
        ".inf",
        "-.inf",
        ".nan",
    ),
    *("12:30", "1.", "-0", "=", "<<", "1e5 ", "# no", "- a"),
)
QUESTION = "="


def invoke(*arguments: str | Path) -> Result:
    """One command that ends well."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert (result.exit_code, result.exception) == (0, None), result.output
    return result


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one run of each model."""
    folder = tmp_path_factory.mktemp("names")
    models = {name: {"path": "model", "learning_rate": 1e-3 / (1 + place)} for place, name in enumerate(NAMES)}
    path = write_experiment(folder, experiment="6125e45", question=QUESTION, models=models, seeds=[1])
    invoke("sweep", path, "--in-process", "--out", folder / "out", "--no-analyze")
    assert json.loads(invoke("verify", folder / "out", "--json").stdout)["damage"] == []
    return folder / "out"


@pytest.fixture(params=["now", "before"])
def written(results: Path, request: pytest.FixtureRequest) -> Path:
    """The same with `experiment.yaml` as a sweep writes it now, and as one wrote it before."""
    content = Store.open(results).experiment()
    if request.param == "before":
        (results / "experiment.yaml").write_bytes(MARK + yaml.safe_dump(content, sort_keys=False).encode())
    return results


def test_status_and_analysis_show_the_names(written: Path, tmp_path: Path) -> None:
    assert json.loads(invoke("status", written, "--json").stdout)["experiment"] == "6125e45"
    found = json.loads(invoke("analyze", written, "--json", "--out", tmp_path / "analysis").stdout)
    assert {row["system"] for row in found["systems"]} == set(NAMES)


def test_the_other_verbs_read_them_back(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(invoke("plan", written, "--out", written, "--json").stdout)["experiment"] == "6125e45"
    assert invoke("logs", f"{NAMES[0]}:1", "--out", written).stdout
    (tmp_path / "results").mkdir()
    (tmp_path / "results/6125e45").symlink_to(written)
    monkeypatch.chdir(tmp_path)
    rows = json.loads(invoke("results", "6125e45", "--json").stdout)["runs"]
    assert {row["experiment"] for row in rows} == {"6125e45"}
    assert {row["system"] for row in rows} == set(NAMES)


@pytest.mark.parametrize("name", OF_EXPERIMENTS)
def test_any_name_of_an_experiment_is_read_back_as_it_was(tmp_path: Path, name: str) -> None:
    store = Store.open(tmp_path)
    store.write_experiment({"experiment": name, "seeds": [1]}, [])
    assert store.experiment() == {"experiment": name, "seeds": [1]}
    assert name_in(tmp_path / "experiment.yaml") == name
    assert yaml.safe_load((tmp_path / "experiment.yaml").read_bytes())["experiment"] == name


def test_a_sweep_goes_on_from_the_results_directory(written: Path) -> None:
    before = (written / "experiment.yaml").read_bytes()
    again = json.loads(invoke("sweep", written, "--in-process", "--out", written, "--no-analyze", "--json").stdout)
    assert (again["ran"], again["changed"], again["status"]["experiment"]) == (0, [], "6125e45")
    assert (written / "experiment.yaml").read_bytes() == before


def test_the_experiment_is_read_as_it_was(written: Path) -> None:
    found = load(str(written)).experiment
    assert (found.experiment, found.question, tuple(found.models)) == ("6125e45", QUESTION, NAMES)
    assert name_in(written / "experiment.yaml") == "6125e45"


def test_a_number_that_a_person_wrote_into_an_earlier_file_stays_one(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, train={"epochs": 1, "batch_size": 4, "learning_rate": 0.5})
    path.write_bytes(MARK + path.read_bytes().replace(b"0.5", b"1e-4"))
    assert load(str(path)).experiment.train.learning_rate == 1e-4
