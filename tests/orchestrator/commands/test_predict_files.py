"""`predict --file` reads a file as the run's data were read; the command line says what differs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from orchestrator.api import predict
from orchestrator.cli import main
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.sweep import SweepOptions, sweep
from tests.orchestrator.experiments import resolved

TRAIN = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3}
Run = Callable[..., Result]


def _trained(folder: Path, data: dict[str, Any], content: str, task: str) -> Run:
    """Train a tiny model on a file; the function that is returned predicts with it as a command line would."""
    (folder / data["path"]).write_text(content, encoding=data.get("encoding", "utf-8"))
    experiment = resolved(
        folder,
        task=task,
        data=data,
        train=TRAIN,
        save="best",
        seeds="1",
        models={"tiny": {"path": "model"}},
    )
    sweep(experiment, SweepOptions(out=str(folder / "out"), layout=LayoutOptions(in_process=True)))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["predict", "tiny:1", *arguments, "--out", str(folder / "out")])

    return run


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a CoNLL file with a part of speech between word and label."""
    sentence = "The\tDET\tO\npower\tNOUN\tPower\nbus\tNOUN\tPower\n\nNo\tDET\tO\nvoltage\tNOUN\tPower\n\n"
    folder = tmp_path_factory.mktemp("words")
    return _trained(folder, {"path": "train.conll"}, sentence * 4, "token_classification")


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table in an old encoding, with columns of its own names."""
    rows = "".join(f"{number},power bus {number},pos\n{number},data bus {number},neg\n" for number in range(6))
    data = {"path": "train.csv", "encoding": "cp1252", "columns": {"text": "review", "label": "stars"}}
    return _trained(tmp_path_factory.mktemp("reviews"), data, "number,review,stars\n" + rows, "sequence_classification")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on pairs of texts."""
    rows = "".join(f"power {number},bus {number},yes\ndata {number},tank {number},no\n" for number in range(6))
    data = {"path": "train.csv", "columns": {"text": "first", "text_pair": "second"}}
    return _trained(tmp_path_factory.mktemp("pairs"), data, "first,second,label\n" + rows, "sequence_classification")


def _rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def _words(result: Result) -> list[tuple[str, str]]:
    return [(row["item"], row["word"]) for row in _rows(result)]


WORDS = [("1", "The"), ("1", "bus"), ("4", "A"), ("4", "tank")]


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        ("a.conll", "The\tDET\tO\nbus\tNOUN\tPower\n\nA\tDET\tO\ntank\tNOUN\tO\n", ()),
        ("a.conll", "The\nbus\n\nA\ntank\n", ()),
        ("a.conll", "The O\nbus Power\n\nA O\ntank O\n", ()),
        ("a.dat", "The\tDET\tO\nbus\tNOUN\tPower\n\nA\tDET\tO\ntank\tNOUN\tO\n", ("--format", "conll")),
        ("a.conll", "DET\tThe\nNOUN\tbus\n\nDET\tA\nNOUN\ttank\n", ("--columns", "words=2")),
    ],
)
def test_words_are_read_from_the_column_of_words_and_gold_labels_are_none(
    words: Run, tmp_path: Path, name: str, content: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert _words(words("--file", str(tmp_path / name), *arguments)) == WORDS


@pytest.mark.parametrize(
    ("name", "content", "items"),
    [
        ("a.txt", "The bus\n\n\nA tank\n", WORDS),
        ("a.jsonl", '{"id": 1, "text": "The bus"}\n{"id": 4, "words": ["A", "tank"]}\n', WORDS),
        ("a.csv", "id,text\n1,The bus\n4,A tank\n", WORDS),
    ],
)
def test_a_file_of_another_format_is_read_as_its_name_says(
    words: Run, tmp_path: Path, name: str, content: str, items: list[tuple[str, str]]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert _words(words("--file", str(tmp_path / name))) == items


@pytest.mark.parametrize(
    ("name", "content", "arguments", "ids"),
    [
        ("a.csv", "number,review,stars\n1,power,pos\n2,data,neg\n", (), ["2", "3"]),
        ("a.csv", "review,number\npower,1\ndata,2\n", (), ["2", "3"]),
        ("a.csv", "id,text\nx,power\ny,data\n", (), ["x", "y"]),
        ("a.csv", "id,body\nx,power\ny,data\n", ("--columns", "text=body"), ["x", "y"]),
        ("a.csv", "key,body\nx,power\ny,data\n", ("--columns", "text=2", "--columns", "id=key"), ["x", "y"]),
        ("a.jsonl", '{"id": "x", "review": "power"}\n{"id": "y", "review": "data"}\n', (), ["x", "y"]),
        ("a.tsv", "id\ttext\nx\tpower\ny\tdata\n", (), ["x", "y"]),
        ("a.txt", "power\ndata\n", (), ["1", "2"]),
        ("a.txt", "café\ndata\n", (), ["1", "2"]),
        ("a.dump", "power\ndata\n", ("--format", "text"), ["1", "2"]),
        ("a.csv", "id,text\nx,power\ny,data\nz,bus\n", ("--limit", "2"), ["x", "y"]),
        ("a.csv", "id,text\nx,café\ny,data\n", (), ["x", "y"]),
        ("a.dump", "id,text\nx,café\ny,data\n", ("--format", "csv"), ["x", "y"]),
    ],
)
def test_a_table_is_read_with_the_runs_columns_and_separator(
    reviews: Run, tmp_path: Path, name: str, content: str, arguments: tuple[str, ...], ids: list[str]
) -> None:
    encoding = "cp1252" if name == "a.csv" or "csv" in arguments else "utf-8"
    (tmp_path / name).write_text(content, encoding=encoding)
    rows = _rows(reviews("--file", str(tmp_path / name), *arguments))
    assert [row["item"] for row in rows] == ids
    alone = _rows(reviews("café" if "café" in content else "power", "data"))
    assert [row["probability"] for row in rows] == [row["probability"] for row in alone]


@pytest.mark.parametrize(
    ("name", "content", "arguments", "reason"),
    [
        (
            "a.csv",
            "id,body\nx,power\n",
            (),
            "there is no column 'review', from which the run took text (there are: id, body)",
        ),
        ("a.csv", "id,body\nx,power\n", ("--columns", "text=title"), "no column 'title'; there are: id, body"),
        ("a.dump", "power\n", (), "unknown format '.dump'; set --format to one of"),
        ("a.csv", "x\n", ("--format", "excel"), "--format excel: unknown format; known: json, jsonl, csv"),
        ("a.csv", "x\n", ("--columns", "text"), "--columns must be FIELD=COLUMN, got 'text'"),
        ("a.csv", "id,text\nx,power\nx,data\n", (), "row 3: the id 'x' was already used at row 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(
    reviews: Run, tmp_path: Path, name: str, content: str, arguments: tuple[str, ...], reason: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    result = reviews("--file", str(tmp_path / name), *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_how_a_file_is_read_needs_a_file(reviews: Run) -> None:
    result = reviews("power", "--format", "csv")
    assert result.exit_code == 2
    assert "--format and --columns say how a file is read: give it with --file" in result.stderr


def test_a_blank_text_gets_a_row_without_an_answer_and_a_warning(reviews: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\nx,power\ny, \nz,data\n", encoding="utf-8")
    result = reviews("--file", str(tmp_path / "a.csv"))
    rows = _rows(result)
    assert [row["item"] for row in rows] == ["x", "y", "z"]
    assert [bool(row["predicted"]) for row in rows] == [True, False, True]
    assert rows[1]["probability"] == ""
    assert "warning: 1 item holds no text and has no answer (id y)" in result.stderr
    document = json.loads(reviews("--file", str(tmp_path / "a.csv"), "--json").stdout)
    assert [row["predicted"] is None for row in document["predictions"]] == [False, True, False]
    submission = _rows(reviews("--file", str(tmp_path / "a.csv"), "--submission"))
    assert [row["id"] for row in submission] == ["x", "z"]
    reviews("--file", str(tmp_path / "a.csv"), "--to", str(tmp_path / "b.parquet"))
    assert pd.read_parquet(tmp_path / "b.parquet")["probability"].dtype == "float32"


def test_a_sentence_without_words_gets_a_row_without_an_answer(words: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"words": []}\n{"words": ["A"]}\n{"text": " "}\n', encoding="utf-8")
    result = words("--file", str(tmp_path / "a.jsonl"))
    assert [(row["item"], row["position"], row["word"]) for row in _rows(result)] == [
        ("1", "", ""),
        ("2", "0", "A"),
        ("3", "", ""),
    ]
    assert "2 items hold no text and have no answer (id 1, 3)" in result.stderr


def test_a_file_of_blank_texts_alone_is_refused(reviews: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\nx, \n", encoding="utf-8")
    result = reviews("--file", str(tmp_path / "a.csv"))
    assert result.exit_code == 2
    assert "item 1 (id 'x'): text is empty" in result.stderr


def test_a_model_of_pairs_refuses_single_texts_and_the_other_way(pairs: Run, reviews: Run, tmp_path: Path) -> None:
    assert _rows(pairs("power", "--field", "text_pair=bus"))[0]["item"] == "1"
    (tmp_path / "a.csv").write_text("first,second\npower,bus\n", encoding="utf-8")
    assert len(_rows(pairs("--file", str(tmp_path / "a.csv")))) == 1
    result = pairs("power")
    assert result.exit_code == 2
    assert "item 1 (id '1'): there is no text_pair, and the model judges pairs of texts" in result.stderr
    result = reviews("power", "--field", "text_pair=bus")
    assert result.exit_code == 2
    assert "there is a text_pair, and the model judges single texts: leave it out" in result.stderr


def test_the_same_from_python(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, reviews: Run) -> None:
    folder = next(tmp_path_factory.getbasetemp().glob("reviews*")) / "out"
    (tmp_path / "a.dump").write_text("key,body\nx,power\n", encoding="utf-8")
    predicted = predict("tiny:1", file=tmp_path / "a.dump", format="csv", columns={"text": 2, "id": "key"}, out=folder)
    assert predicted.table["item"].tolist() == ["x"]
