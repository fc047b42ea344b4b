"""The listing names everything there is to name, each beside its own description."""

from __future__ import annotations

import json
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from analysis import registry as of_analysis
from orchestrator.cli import main
from orchestrator.commands.list import KINDS, Entry, entries
from orchestrator.config import search as of_search
from orchestrator.console.text import listing
from trainables import registry


def test_every_kind_of_name_is_listed_and_can_be_asked_for_alone() -> None:
    registered = {f"{kind}s" for of in (registry, of_analysis, of_search) for kind in get_args(of.Kind)}
    assert set(KINDS) == registered | {"experiments"}
    kind = next(parameter for parameter in main.commands["list"].params if isinstance(parameter, click.Argument))
    assert isinstance(kind.type, click.Choice)
    assert tuple(kind.type.choices) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_stands_apart_from_a_description_that_is_whole(kind: str) -> None:
    result = CliRunner().invoke(main, ["list", kind])
    heading, *lines = result.stdout.splitlines()
    found = entries(kind)
    assert (result.exit_code, heading, len(lines)) == (0, kind, len(found))
    assert found
    for line, entry in zip(lines, found, strict=True):
        assert line.split("  ", 2)[1] == entry.name
        assert line.endswith(f"  {entry.description}")
        assert entry.description.count("(") == entry.description.count(")")
    assert len({line.index(entry.description) for line, entry in zip(lines, found, strict=True)}) == 1


def test_tests_searchers_schedulers_and_figures_are_listed_for_programs_too() -> None:
    found = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)
    assert list(found) == ["schema_version", *KINDS]
    for kind, name in (("tests", "mcnemar"), ("searchers", "tpe"), ("schedulers", "asha"), ("figures", "raincloud")):
        assert name in [entry["name"] for entry in found[kind]]


def test_wide_and_long_names_are_no_exception() -> None:
    text = listing({"models": [Entry("模型", "one"), Entry("a" * 60, "two\nlines")], "tests": []})
    assert text == f"models\n  模型{' ' * 56}  one\n  {'a' * 60}  two lines\n\ntests\n  none"
