"""A private part is found, replaced for a while, and missed in words that say what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from orchestrator.cli.session import exit_code
from orchestrator.errors import EXIT_ENVIRONMENT
from orchestrator.worker.failure import Failure, classify
from trainables.system import private_parts
from trainables.system.private_parts import Library, PrivatePart, PrivatePartMissing, require

PYTEST = Library("pytest", "pytest[extra]", oldest="8.3", below="99")
NEEDED = "to count"


def part(module: str, name: str = "") -> PrivatePart:
    return PrivatePart(PYTEST, module, name, NEEDED)


def test_a_part_is_read_late_also_within_a_class() -> None:
    assert part("json", "dumps").get() is json.dumps
    assert part("json", "JSONDecoder.decode").get() is json.JSONDecoder.decode
    assert part("json").get() is json


def test_what_takes_its_place_is_gone_afterwards_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = json.dumps
    with part("json", "dumps").replaced(print):
        assert json.dumps is print
    assert json.dumps is usual
    with pytest.raises(KeyError), part("json", "dumps").replaced(print):
        raise KeyError
    assert json.dumps is usual
    monkeypatch.setattr(json, "dumps", usual)
    part("json", "dumps").put(print)
    assert json.dumps is print


@pytest.mark.parametrize(
    ("module", "name"),
    [("json", "gone"), ("json", "JSONDecoder.gone"), ("json", "gone.decode"), ("json.gone", "x"), ("json.gone", "")],
)
def test_a_part_that_is_missing_says_what_lacks_it_for_what_and_what_to_do(module: str, name: str) -> None:
    missing = part(module, name)
    use = {"get": missing.get, "put": lambda: missing.put(1), "require": lambda: require(part("json"), missing)}
    for ask in use.values():
        with pytest.raises(PrivatePartMissing) as raised:
            ask()
        assert str(raised.value) == (
            f"pytest {pytest.__version__} does not have {module}{'.' * bool(name)}{name} (needed to count); "
            "orchestrate works with pytest>=8.3,<99; run: pip install 'pytest[extra]>=8.3,<99'"
        )


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(PrivatePartMissing, match=r"json\.a \(.*json\.b \("):
        require(part("json", "a"), part("json", "dumps"), part("json", "b"))


def test_a_library_that_is_not_there_is_to_be_installed() -> None:
    library = Library("no-such-library", "no-such-library", oldest="1", below="2")
    with pytest.raises(PrivatePartMissing, match=r"not installed; run: pip install 'no-such-library>=1,<2'"):
        PrivatePart(library, "no_such_library", "x", NEEDED).get()


def test_a_module_that_is_there_and_lacks_something_else_raises_what_it_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part_of_something.py").write_text("import what_is_not_there", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="what_is_not_there"):
        part("part_of_something", "x").get()


def test_a_run_that_needs_what_torch_lacks_fails_once_and_a_command_says_that_it_is_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.library.Library, "_destroy")
    with pytest.raises(PrivatePartMissing, match=r"torch\.library\.Library\._destroy .*torch>=2\.11,<2\.14") as raised:
        private_parts.DESTROY_LIBRARY.get()
    assert classify(raised.value) is Failure.DATA
    assert exit_code(raised.value) == EXIT_ENVIRONMENT
