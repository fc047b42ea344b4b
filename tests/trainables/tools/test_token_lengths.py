"""Lengths in tokens are counted with the model's own tokenizer, special tokens included, and without torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import tiny_model
from trainables.system import fresh_process


def measured(folder: Path, items: list[dict[str, Any]], task: str = "sequence_classification", **model: Any) -> Any:
    request = {
        "task": task,
        "options": {},
        "labels": ["a", "b"],
        "items": items,
        "models": [{"model": {"name": "m", "source": str(folder), **model}, "max_length": 5}],
    }
    return fresh_process.call("trainables.tools.token_lengths:token_lengths", request)


def test_lengths_count_special_tokens_and_items_above_max_length(tmp_path: Path) -> None:
    tiny_model(tmp_path / "model")
    texts = ["power", "power power", "power power power", "power power power power"]
    items = [{"id": number, "text": text, "label": "a"} for number, text in enumerate(texts)]
    assert measured(tmp_path / "model", items) == {"p50": 5, "p95": 6, "max": 6, "cut_items": 1}


def test_a_vocabulary_of_the_data_gives_one_token_a_word(tmp_path: Path) -> None:
    items = [{"id": 1, "text": "one two three", "label": "a"}, {"id": 2, "text": "one two", "label": "b"}]
    result = measured(tmp_path, items, tokenizer={"from": "words"})
    assert (result["max"], result["cut_items"]) == (4, 0)


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    items = [{"id": 1, "text": "one", "label": "a"}]
    (tmp_path / "config.json").write_text("{}")
    assert "cannot be loaded" in measured(tmp_path, items)["problem"]
    assert "unknown task" in measured(tmp_path, items, task="unheard_of")["problem"]


def test_the_process_holds_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tmp_path / "mine.py"
    task.write_text("import torch\nfrom trainables.tasks.sequence_classification import TASK\n")
    tiny_model(tmp_path / "model")
    result = measured(tmp_path / "model", [{"id": 1, "text": "one", "label": "a"}], task=str(task))
    assert "torch" in result["problem"]
    assert sys.modules["torch"] is not None  # here, it is as it was
