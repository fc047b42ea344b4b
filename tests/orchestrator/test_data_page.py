"""Every example of docs/data.md is read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from orchestrator.config.data_preview import inputs_first
from orchestrator.console.data_preview import item_lines
from tests.architecture.layers import ROOT
from trainables import registry
from trainables.config import DataConfig
from trainables.data.load import load_corpus

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
_FILE = re.compile(r"^`([\w.]+)`\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```yaml\n(task: .*?)^```\n\nRead as: ([^\n]*)$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """What each example declares, and how its first item is read."""
    return _EXAMPLE.findall(PAGE)


def test_the_page_has_an_example_of_every_file() -> None:
    declared = " ".join(written for written, _ in examples())
    assert len(examples()) >= 19
    assert [name for name, _ in _FILE.findall(PAGE) if name not in declared] == []


@pytest.mark.parametrize(("declared", "read_as"), examples(), ids=lambda text: text[:60])
def test_every_example_is_read_as_the_page_says(
    declared: str, read_as: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in _FILE.findall(PAGE):
        (tmp_path / name).write_text(content, encoding="utf-8")
    content = yaml.safe_load(declared)
    task = registry.load("task", content["task"])
    data = DataConfig.model_validate(content["data"], strict=False)
    corpus = load_corpus(data, task.fields)
    task.check(corpus.items)
    first = {name: corpus.items[0][name] for name in inputs_first(task.fields) if name in corpus.items[0]}
    assert item_lines(first) == re.findall(r"`([^`]+)`", read_as)
