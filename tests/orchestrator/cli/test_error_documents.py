"""Under `--json` every way to fail leaves one document on stdout, and the exit code that it has without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import main, options
from orchestrator.cli.session import Commands, command
from orchestrator.console.console import Console
from orchestrator.errors import KINDS
from orchestrator.storage import Store
from tests.orchestrator.storage.stores import cells, fill


def verbs(group: click.Group = main) -> Iterator[tuple[str, ...]]:
    """Every command, those of a group with its name."""
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from ((name, *inner) for inner in verbs(found))
        else:
            yield (name,)


def error_of(*arguments: str, code: int) -> dict[str, object]:
    """The error that a command leaves; without `--json` it ends with the same code, and with nothing on stdout."""
    plain, result = (CliRunner().invoke(main, list(given)) for given in (arguments, [*arguments, "--json"]))
    assert (plain.exit_code, plain.stdout) == (code, "")
    assert result.exit_code == code
    document = json.loads(result.stdout)
    assert list(document) == ["schema_version", "error"]
    assert list(document["error"]) == ["kind", "message", "exit_code"]
    assert document["error"]["exit_code"] == code
    assert str(document["error"]["message"]) in result.stderr
    error: dict[str, object] = document["error"]
    return error


@pytest.mark.parametrize("verb", list(verbs()), ids=" ".join)
def test_every_verb_that_is_typed_wrong_says_so_in_a_document(
    verb: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*verb, "a", "b", "c", "d", "--no-such-option", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.stderr
    assert json.loads(result.stdout)["error"]["kind"] == "usage"


@pytest.mark.parametrize("arguments", [["--nope"], ["statsu"], ["cluster", "chek"], ["list", "nothing"]])
def test_a_command_line_that_names_no_verb_says_so_in_a_document(arguments: list[str]) -> None:
    assert error_of(*arguments, code=2)["kind"] == "usage"


def test_a_word_behind_two_dashes_asks_for_nothing() -> None:
    result = CliRunner().invoke(main, ["validate", "nowhere", "--", "--json"])
    assert (result.exit_code, result.stdout) == (2, "")


def test_each_kind_of_error_has_its_name_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.parquet").write_bytes(b"PAR1 not really")
    store = Store.open(tmp_path / "out")
    runs = fill(store, 1)
    store.write_experiment({"experiment": "demo"}, cells(runs))
    assert error_of("status", "nowhere", code=2)["kind"] == "usage"
    assert error_of("plan", "nowhere.yaml", code=2)["kind"] == "usage"
    assert error_of("analyze", "runs.parquet", code=6)["kind"] == "corrupt"
    forget = ("forget", runs[0].run_id, "--out", "out", "--yes")
    with store.lock():
        assert error_of(*forget, code=5)["kind"] == "locked"
    (tmp_path / "out" / "sweep.lock").unlink()
    (tmp_path / "out" / "sweep.lock").mkdir()
    assert error_of(*forget, code=4)["kind"] == "environment"


@pytest.mark.parametrize(("raised", "code"), [("ZeroDivisionError('oops')", 1), ("KeyboardInterrupt", 130)])
def test_a_bug_and_an_interruption_leave_a_document_too(
    raised: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.py").write_text(f"raise {raised}\n")
    content = "experiment: try\ntask: ./task.py\ndata: {name: requirements-sample}\nmodels: [minilm-l6]\n"
    (tmp_path / "try.yaml").write_text(content)
    result = CliRunner().invoke(main, ["validate", "try.yaml", "--run-code", "--json"])
    assert result.exit_code == code
    assert json.loads(result.stdout)["error"]["kind"] == KINDS[code]


def test_a_question_that_is_answered_with_no_leaves_a_document() -> None:
    @click.group(cls=Commands)
    def program() -> None:
        """A program of one command."""

    @program.command()
    @options.json_option
    @command
    def ask(console: Console) -> None:
        click.confirm("Really?", abort=True, err=True)

    result = CliRunner().invoke(program, ["ask", "--json"], input="n\n")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["kind"] == "aborted"
