"""Text for terminals: aligned, without control characters, numbers that a person reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import click
import pytest
from click.testing import CliRunner

from orchestrator.console.console import Console, aligned, cell, clean, table
from orchestrator.units import duration, size


def test_columns_are_aligned_numbers_to_the_right() -> None:
    assert table(["name", "n"], [["a", 1], ["bcdef", 20]]).splitlines() == ["name    n", "a       1", "bcdef  20"]


def test_a_wide_letter_takes_two_columns() -> None:
    assert table(["name", "n"], [["電池", 1], ["a", 2]]).splitlines() == ["name  n", "電池  1", "a     2"]


LINES = [["  ok", "short", "1"], ["  problem", "many words that say at length what is wrong [and red]here[/red]", "20"]]


def test_a_table_for_a_narrow_terminal_wraps_its_text_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = aligned(LINES, [False, False, True])
    assert [len(line) for line in whole.splitlines()] == [78, 78]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert aligned(LINES, [False, False, True]).splitlines() == [
        "  ok       short                       1",
        "  problem  many words that say at     20",
        "           length what is wrong [and",
        "           red]here[/red]",
    ]
    monkeypatch.setenv("COLUMNS", "12")  # wrapping would not make it fit
    assert aligned(LINES, [False, False, True]) == whole
    monkeypatch.setenv("COLUMNS", "78")
    assert aligned(LINES, [False, False, True]) == whole


def test_a_long_table_is_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    lines = [[str(number), "some words that are longer than the terminal"] for number in range(1001)]
    assert len(aligned(lines).splitlines()) == 1001
    assert len(aligned(lines[1:]).splitlines()) > 1001


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_list_fits_a_terminal_and_a_pipe_gets_whole_lines() -> None:
    command = [sys.executable, "-m", "orchestrator", "list", "tasks"]
    environment = {**os.environ, "COLUMNS": "70"}
    piped = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    reading, writing = os.openpty()
    subprocess.run(command, stdout=writing, stderr=subprocess.DEVNULL, check=True, env=environment)
    shown = os.read(reading, 65536).decode()
    os.close(writing)
    os.close(reading)
    assert shown.split() == piped.split()
    assert max(map(len, shown.splitlines())) <= 70 < max(map(len, piped.splitlines()))
    assert "\x1b" not in shown


def test_a_number_that_does_not_exist_is_a_dash_in_a_table_and_null_in_a_document() -> None:
    assert [cell(value) for value in (None, float("nan"), 0.12345, 3, "x\ny")] == ["-", "-", "0.1235", "3", "x y"]

    @click.command()
    def show() -> None:
        Console().document({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": None}})

    printed = json.loads(CliRunner().invoke(show).stdout)
    assert printed == {"schema_version": 1, "a": None, "b": [None, 1.5], "c": {"d": None}}


def test_a_document_takes_any_mapping_and_writes_what_json_does_not_know_as_text() -> None:
    @click.command()
    def answer() -> None:
        Console(as_json=True).document({"runs": MappingProxyType({"a": 1}), "where": Path("x"), "scores": (1.0, 2)})

    assert json.loads(CliRunner().invoke(answer).stdout) == {
        "schema_version": 1,
        "runs": {"a": 1},
        "where": "x",
        "scores": [1.0, 2],
    }


def test_no_name_can_drive_the_terminal() -> None:
    assert clean("a\x1b[31mb\x07\u202e\nc") == "a�[31mb��\nc"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(512, "512 B"), (3.4 * 2**20, "3.4 MiB"), (1.2 * 2**40, "1.2 TiB")])
def test_sizes_have_binary_units(number: float, text: str) -> None:
    assert size(number) == text


def test_quiet_leaves_warnings_and_no_color_leaves_text() -> None:
    @click.command()
    def show() -> None:
        console = Console(quiet=True, color=False)
        console.note("a remark")
        console.warning("careful")
        console.data("the answer")

    result = CliRunner().invoke(show)
    assert result.stdout == "the answer\n"
    assert result.stderr == "warning: careful\n"
