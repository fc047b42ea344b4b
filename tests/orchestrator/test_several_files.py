"""An experiment whose data lies in several files: its paths, its keys on the command line, and its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.sweep import SweepOptions, sweep
from orchestrator.config.experiment import json_schema
from orchestrator.config.load import load
from orchestrator.config.overrides import Changes
from orchestrator.config.resolve import resolve
from tests.orchestrator.experiments import write_experiment
from tests.tiny import tiny_items


def _parts(folder: Path) -> None:
    items = tiny_items(24)
    for name, own in (("train", items[:16]), ("dev", items[16:20]), ("test", items[20:])):
        rows = "".join(json.dumps({**item, "id": number}) + "\n" for number, item in enumerate(own))
        (folder / f"{name}.jsonl").write_text(rows, encoding="utf-8")


PARTS = {"train": "train.jsonl", "validation": "dev.jsonl", "test": ["test.jsonl"]}


def test_relative_paths_start_at_the_experiment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _parts(tmp_path)
    path = write_experiment(tmp_path, data={**PARTS, "name": "small"}, split={})
    monkeypatch.chdir("/")
    data = resolve(load(str(path))).systems[0].config.data
    assert (data.train, data.validation) == (str(tmp_path / "train.jsonl"), str(tmp_path / "dev.jsonl"))
    assert data.test == (str(tmp_path / "test.jsonl"),)
    path = write_experiment(tmp_path, data={"path": "*.jsonl"})
    assert resolve(load(str(path))).systems[0].config.data.path == str(tmp_path / "*.jsonl")


def test_the_command_line_replaces_all_files_and_keeps_how_they_are_read(tmp_path: Path) -> None:
    _parts(tmp_path)
    data = {**PARTS, "columns": {"cluster": "id"}}
    path = write_experiment(tmp_path, data=data, split={})
    changed = load(str(path), Changes(data=str(tmp_path / "items.jsonl"))).experiment.data
    assert (changed.path, changed.train, changed.validation, changed.test) == (
        str(tmp_path / "items.jsonl"),
        None,
        None,
        None,
    )
    assert changed.columns == {"cluster": "id"}
    address = load(str(path), Changes(data="https://host/d.csv")).experiment.data
    assert address.path == "https://host/d.csv"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"train": 3}, "data.train: must be text or a list, got 3"),
        ({"path": {"a": "b"}}, "data.path: must be text or a list, got {'a': 'b'}"),
        ({"train": "a.csv", "test": 3}, "data.test: must be true or false or text or a list, got 3"),
        ({"path": "a.csv", "test": "b.csv"}, "test names files, so the training files must be named, too"),
        ({"path": "nothing*.csv"}, "data.path: no file matches"),
        ({"train": "items.jsonl", "dev": "items.jsonl"}, "data.dev: unknown key 'dev'; did you mean 'validation'?"),
        ({"path": "items.jsonl", "part_column": "x"}, "unknown key 'part_column'; did you mean 'split_column'?"),
    ],
)
def test_wrong_files_are_refused_at_their_key(tmp_path: Path, data: dict[str, Any], reason: str) -> None:
    path = write_experiment(tmp_path, data=data)
    result = CliRunner().invoke(main, ["plan", str(path)])
    assert result.exit_code == 2
    assert reason in result.stderr


@pytest.mark.parametrize(
    ("data", "valid"),
    [
        (PARTS, True),
        ({"path": ["a.csv", "b.csv"], "test": False}, True),
        ({"path": "a.csv", "split_column": "part"}, True),
        ({"path": []}, False),
        ({"train": 3}, False),
    ],
)
def test_the_schema_knows_files_and_lists_of_files(data: dict[str, Any], valid: bool) -> None:
    document = {"experiment": "e", "task": "token_classification", "data": data, "models": ["minilm-l3"]}
    errors = list(jsonschema.Draft202012Validator(json_schema()).iter_errors(document))
    assert not errors if valid else errors


def test_a_sweep_trains_on_one_file_and_scores_the_others(tmp_path: Path) -> None:
    _parts(tmp_path)
    path = write_experiment(tmp_path, data=PARTS, split={}, seeds="1", models={"tiny": {"path": "model"}})
    out = str(tmp_path / "out")
    sweep(resolve(load(str(path))), SweepOptions(out=out, layout=LayoutOptions(in_process=True)))
    run = pd.read_parquet(Path(out) / "runs.parquet").iloc[0]
    assert (run["dataset"], run["score_split"]) == ("train.jsonl", "test")
    predictions = pd.read_parquet(Path(out) / "predictions.parquet")
    items = set(predictions.loc[predictions["split"] == "test", "item"])
    assert items == {f"test/{number}" for number in range(4)}


def test_an_exception_in_a_users_reader_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from trainables.data.dataset import Dataset, Reading\n"
        "def read(location):\n"
        "    return Reading([{'text': 'a', 'label': {}['x']}])\n"
        "DATASET = Dataset('m', 'm', 'token_classification', 'm', ('items.jsonl',), read, Path(__file__).parent)\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(main, ["plan", str(write_experiment(tmp_path, data={"name": "mine.py"}))])
    assert result.exit_code == 2
    assert f"{tmp_path / 'mine.py'}:4: KeyError: 'x'" in result.stderr
