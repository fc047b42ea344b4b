"""`analyze` on tables of other tools: what cannot be read ends with exit code 2 and a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import orchestrator
from orchestrator.cli import main

RATES = "model,lr,seed,f1,accuracy\n" + "".join(
    f"{model},{lr},{seed},{0.8 + seed / 100 + (model == 'a') / 10 + (seed % 3) / 500},{0.5 + seed / 100}\n"
    for model in "ab"
    for lr, seeds in (("1e-05", range(8)), ("0.0003", range(8, 16)))
    for seed in seeds
)


def invoke(*arguments: str | Path) -> Result:
    """One command."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def written(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ("", "needs a header row and one row per run"),
        ("system,seed,score\n", "holds no runs"),
        ("system,seed,score\na,1\n", "give every row as many cells as the header"),
        ("system,seed,score\né,1,0.5\n".encode("latin-1"), "save it as CSV in UTF-8"),
        ("system,seed,score\na,1,0.5\n".encode("utf-16-be"), "save it as CSV in UTF-8"),
        ('system,seed,score\n"a,1,0.5\n', "check the quotes"),
        (b"PAR1", "save it as CSV"),
        ("name,seed,points\na,1,0.5\n", "--system COLUMN"),
        ("system,seed,f1,accuracy\na,1,0.5,0.6\n", "--score 'f1' or --score 'accuracy'"),
        (
            RATES.replace("f1,accuracy", "score,loss"),
            "--system 'model,lr' if each is a system of its own, or --ignore 'lr'",
        ),
    ],
)
def test_a_table_that_cannot_be_read_ends_with_2_and_its_remedy(
    tmp_path: Path, content: str | bytes, remedy: str
) -> None:
    path = written(tmp_path, content)
    result = invoke("analyze", path)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert str(path) in result.stderr
    assert remedy in result.stderr
    assert not (tmp_path / "x-analysis").exists()
    document = json.loads(invoke("analyze", path, "--json").stdout)
    assert (document["error"]["kind"], document["error"]["exit_code"]) == ("usage", 2)


@pytest.mark.parametrize("name", ["x.parquet", "x.xlsx", "x.eval", "x.json", "x.jsonl", "x.docx"])
def test_a_damaged_file_of_another_tool_is_no_damage_of_ours(tmp_path: Path, name: str) -> None:
    result = invoke("analyze", written(tmp_path, b"\x00\x01 not what its name says", name))
    assert result.exit_code == 2, result.output
    assert name in result.stderr
    assert "bug" not in result.stderr


def test_a_folder_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    result = invoke("analyze", tmp_path / "x.csv")
    assert result.exit_code == 2
    assert "name a file of runs, or the folder that has them" in result.stderr


def document(*arguments: str | Path) -> dict[str, Any]:
    """What a command that ends well prints as JSON."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def test_options_say_what_columns_mean(tmp_path: Path) -> None:
    path = written(tmp_path, RATES)
    joined = document("analyze", path, "--score", "f1", "--system", "model, lr")
    assert {row["system"] for row in joined["systems"]} == {"a/1e-05", "a/0.0003", "b/1e-05", "b/0.0003"}
    assert joined["metric"] == "f1"
    pooled = document("analyze", path, "--metric", "accuracy", "--ignore", "lr")
    assert [row["n"] for row in pooled["systems"]] == [16, 16]
    assert pooled["metric"] == "accuracy"
    assert f"{path}: read as a table: system = model, seed = seed, score = accuracy" in pooled["warnings"]


def test_scores_of_which_smaller_ones_are_better_need_a_direction(tmp_path: Path) -> None:
    path = written(tmp_path, RATES.replace("f1,accuracy", "eval_loss,other"))
    plain = invoke("analyze", path, "--score", "eval_loss", "--ignore", "lr")
    assert plain.exit_code == 2
    assert "of 'eval_loss', smaller values seem to be better: say so with --direction minimize" in plain.stderr
    found = document("analyze", path, "--score", "eval_loss", "--ignore", "lr", "--direction", "minimize")
    assert found["systems"][0]["system"] == "b"


def test_python_has_the_same_options(tmp_path: Path) -> None:
    path = written(tmp_path, RATES)
    result = orchestrator.analyze(path, out=tmp_path / "out", score="f1", system=["model", "lr"], seed="seed")
    assert sorted(result.systems["system"]) == ["a/0.0003", "a/1e-05", "b/0.0003", "b/1e-05"]
    with pytest.raises(orchestrator.UserError, match="--item: there is no column 'question'"):
        orchestrator.analyze(path, out=tmp_path / "out", score="f1", system="model", item="question", ignore="lr")
