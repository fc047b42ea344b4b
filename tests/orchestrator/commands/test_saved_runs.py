"""The verbs for saved runs: predict, export and probe, as they are typed."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import ModelCard

from orchestrator.cli import main
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.export import without_local_paths
from orchestrator.commands.sweep import SweepOptions, sweep
from orchestrator.storage import Store
from tests.orchestrator.experiments import resolved, write_experiment

TRAIN = {"epochs": 8, "batch_size": 4, "learning_rate": 5e-3}


def typed(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one system and two seeds; the first seed's weights are saved, the second's were thrown away."""
    folder = tmp_path_factory.mktemp("saved")
    experiment = resolved(folder, save="best", train=TRAIN, models={"tiny": {"path": "model"}})
    sweep(experiment, SweepOptions(out=str(folder / "out"), layout=LayoutOptions(in_process=True)))
    store = Store.open(folder / "out")
    store.drop_weights(store.resolve_run("tiny:2"))
    return folder / "out"


def test_a_sentence_on_the_command_line_is_labelled_word_by_word(out: Path) -> None:
    result = typed("predict", "tiny:1", "The power bus .", "telemetry packets", "--out", str(out))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[0].split(",")[:4] == ["item", "cluster", "position", "word"]
    assert [line.split(",")[3] for line in lines[1:]] == ["The", "power", "bus", ".", "telemetry", "packets"]


def test_an_item_that_is_cut_off_is_named_on_stderr_and_in_the_document(out: Path) -> None:
    told = "1 item loses 100 words to train.max_length 128 (id 2)"
    # three pieces a word: 42 words fit beside the two special pieces
    arguments = ("predict", "tiny:1", "The power bus", "bus " * 142, "--out", str(out))
    assert f"warning: {told}" in typed(*arguments).stderr
    assert json.loads(typed(*arguments, "--json").stdout)["warnings"] == [told]
    assert "warning" not in typed("predict", "tiny:1", "The power bus", "--out", str(out)).stderr


def test_the_runs_own_data_gets_the_answers_that_were_recorded(out: Path, tmp_path: Path) -> None:
    store = Store.open(out)
    run_id = store.resolve_run("tiny:1")
    for name, read in (("a.parquet", pd.read_parquet), ("a.csv", pd.read_csv), ("a.jsonl", _jsonl)):
        result = typed(
            "predict",
            run_id,
            "--data",
            str(out.parent / "items.jsonl"),
            "--to",
            str(tmp_path / name),
            "--out",
            str(out),
        )
        assert result.exit_code == 0, result.output
        answers = read(tmp_path / name).astype({"item": str}).set_index(["item", "position"])["predicted"]
        table = pd.read_parquet(out / "predictions.parquet")
        recorded = table[table["run_id"] == run_id].set_index(["item", "position"])["predicted"]
        assert answers.loc[recorded.index].tolist() == recorded.tolist()
        assert recorded.nunique() > 1


def _jsonl(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True)


def test_a_submission_holds_ids_and_answers_only(out: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The power bus\n\ntelemetry\n", encoding="utf-8")
    result = typed("predict", "tiny:1", "--file", str(tmp_path / "a.txt"), "--submission", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "id,position,label"
    assert [line.split(",")[0] for line in result.stdout.splitlines()[1:]] == ["1", "1", "1", "3"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["tiny:2", "x"], "did not save its weights: `orchestrate forget"),
        (["tiny:1"], "say what to predict"),
        (["tiny:1", "x", "--data", "requirements-sample"], "one of them"),
        (["tiny:1", "x", "--to", "answers.xlsx"], "must end with one of .csv, .jsonl, .parquet"),
        (["tiny:1", " "], "its words are white space only"),
        (["tiny:1", "--file", "nowhere.txt"], "no such file"),
        (["tiny:7", "x"], "no run 'tiny:7'"),
    ],
)
def test_what_cannot_be_predicted_is_explained(out: Path, arguments: list[str], reason: str) -> None:
    result = typed("predict", *arguments, "--out", str(out))
    assert result.exit_code == 2
    assert reason in result.stderr


def test_an_exported_folder_has_a_card_no_paths_of_this_machine_and_predicts_the_same(
    out: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "card's folder"
    result = typed("export", "tiny:1", "--to", str(folder), "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["folder"] == str(folder)
    written = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*")}
    assert {file["name"]: file["bytes"] for file in document["files"]} == written
    again = typed("export", "tiny:1", "--to", str(folder), "--out", str(out))
    assert again.stdout == f"{folder}\n"
    assert again.stderr.startswith(f"wrote {len(written)} files, ")
    assert all(name in again.stderr for name in written)
    card = (folder / "README.md").read_text()
    metadata = ModelCard(card).data
    assert (metadata.library_name, metadata.pipeline_tag) == ("transformers", "token-classification")
    recorded = pd.read_parquet(out / "runs.parquet").set_index("seed").loc[1]
    scores = {result.metric_name: result.metric_value for result in metadata.eval_results}
    assert scores["Weighted F1"] == recorded["metric_weighted_f1"]
    assert scores["Accuracy"] == recorded["metric_accuracy"]
    assert {result.dataset_name for result in metadata.eval_results} == {"items.jsonl"}
    assert "mean of 2 runs" in card
    assert f"orchestrate {version('orchestrator')}" in card
    assert "AutoModelForTokenClassification.from_pretrained(folder)" in card
    assert str(out.parent) not in card + (folder / "task.json").read_text() + (folder / "config.json").read_text()
    here, there = (typed("predict", where, "The power bus", "--out", str(out)) for where in ("tiny:1", str(folder)))
    assert here.stdout == there.stdout != ""


def test_an_export_never_mixes_with_other_files_and_the_hub_needs_a_token(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / "mine.txt").write_text("x")
    assert "holds other files" in typed("export", "tiny:1", "--to", str(tmp_path), "--out", str(out)).stderr
    assert "environment variable HF_TOKEN" in typed("export", "tiny:1", "--to", "hub:a/b", "--out", str(out)).stderr
    assert "needs a name" in typed("export", "tiny:1", "--to", "hub:", "--out", str(out)).stderr


def test_only_the_last_part_of_a_path_leaves_this_machine() -> None:
    config: dict[str, Any] = {
        "task": "/home/me/own.py",
        "metric": "/home/me/score.py",
        "data": {"path": "/a/b.jsonl", "name": "/a/read.py"},
        "model": {"source": "owner/name", "tokenizer": {"from": "/a/pieces"}},
        "split": {"ids": None},
        "variants": {"/a/trick.py": {}, "lora": {}},
    }
    found = without_local_paths({"task": "/home/me/own.py", "labels": ["/", "/joy"], "config": config})
    assert found["config"] == {
        "task": "own.py",
        "metric": "score.py",
        "data": {"path": "b.jsonl", "name": "read.py"},
        "model": {"source": "owner/name", "tokenizer": {"from": "pieces"}},
        "split": {"ids": None},
        "variants": {"trick.py": {}, "lora": {}},
    }
    assert (found["task"], found["labels"]) == ("own.py", ["/", "/joy"])
    config["data"] = {
        "train": ["/a/b.csv", "https://me:secret@host/c.csv?key=1"],
        "test": "file:///a/t.csv",
        "name": "x",
    }
    data = without_local_paths({"config": config})["config"]["data"]
    assert data == {"train": ["b.csv", "https://host/c.csv"], "test": "t.csv", "name": "x"}
    config["data"] = {"path": "/a/*.csv", "test": False}
    assert without_local_paths({"config": config})["config"]["data"] == {"path": "*.csv", "test": False, "name": None}


def test_a_probe_says_which_lengths_and_precisions_stay_finite(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, models={"tiny": {"path": "model", "precision": "fp32"}}, seeds="1")
    given = ["--lengths", "32,512", "--precisions", "fp32,fp16", "--steps", "2", "--json"]
    result = typed("probe", str(path), *given)
    found = {(probe["length"], probe["precision"]): probe for probe in json.loads(result.stdout)["probes"]}
    assert result.exit_code == 3  # the experiment's own precision does not work at 512
    assert found[32, "fp32"]["result"] == "finite"
    assert found[32, "fp32"]["loss"] > 0
    assert "at most 160 tokens" in found[512, "fp32"]["reason"]
    assert found[32, "fp16"]["result"] in ("finite", "not here")
