"""Tokens are built once and shared as memory maps; a damaged cache is built anew, a missing one done without."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.processes import in_processes
from tests.tiny import tiny_items, tiny_model
from trainables import registry
from trainables.config import ModelConfig
from trainables.data.dataset import Corpus
from trainables.data.features import Features
from trainables.training.token_cache import load_features

CORPUS = Corpus("tiny", tiny_items(), "f" * 64)


def _features(folder: Path, corpus: Corpus = CORPUS, max_length: int = 64, **changes: Any) -> Features:
    task = registry.load("task", "token_classification")
    model = ModelConfig(name="tiny", source=str(folder / "model"), **changes)
    return load_features(task, corpus, model, task.label_space(corpus.items), max_length, folder / "cache")


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "cache" / "tokens").iterdir() if path.is_dir())


def _equal(one: Features, other: Features) -> bool:
    pairs = [(one.columns[name], other.columns[name]) for name in one.columns]
    pairs += [(one.extra[name], other.extra[name]) for name in one.extra]
    same = all(np.array_equal(a.values, b.values) and np.array_equal(a.offsets, b.offsets) for a, b in pairs)
    return same and one.facts == other.facts and one.padding == other.padding and np.array_equal(one.terms, other.terms)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_model(tmp_path / "model")
    return tmp_path


def test_they_are_what_the_task_encodes_and_read_only(folder: Path) -> None:
    from trainables.modeling.pretrained import load_tokenizer

    task = registry.load("task", "token_classification")
    features = _features(folder)
    tokenizer = load_tokenizer(ModelConfig(name="tiny", source=str(folder / "model")))
    assert _equal(features, task.encode(CORPUS.items, tokenizer, task.label_space(CORPUS.items), 64))
    assert isinstance(features.columns["input_ids"].values, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        features.columns["input_ids"].values[0] = 1


def test_the_second_time_nothing_is_tokenised(folder: Path) -> None:
    first = _features(folder)
    entry = _entries(folder)[0]
    written = entry.stat().st_mtime_ns
    assert _equal(_features(folder), first)
    assert entry.stat().st_mtime_ns == written


def test_whatever_decides_the_tokens_is_part_of_the_name(folder: Path) -> None:
    _features(folder)
    _features(folder, max_length=32)
    _features(folder, replace(CORPUS, fingerprint="e" * 64))
    _features(folder, tokenizer={"do_lower_case": False})
    assert len(_entries(folder)) == 4


@pytest.mark.parametrize("damage", ["truncate", "flip", "header", "missing"])
def test_a_damaged_cache_is_built_anew(folder: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    expected = {name: column.values.copy() for name, column in _features(folder).columns.items()}
    entry = _entries(folder)[0]
    target = entry / ("header.json" if damage == "header" else "columns.input_ids.values.npy")
    content = bytearray(target.read_bytes())
    content[-5] ^= 1
    if damage == "missing":
        target.unlink()
    else:
        target.write_bytes(content[:-8] if damage == "truncate" else content)
    with caplog.at_level(logging.WARNING):
        repaired = _features(folder)
    assert "built anew" in caplog.text
    assert all(np.array_equal(repaired.columns[name].values, values) for name, values in expected.items())


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = _features(folder)
    (folder / "blocked").mkdir()
    (folder / "blocked" / "tokens").write_text("a file where the folder should be", encoding="utf-8")
    task = registry.load("task", "token_classification")
    model = ModelConfig(name="tiny", source=str(folder / "model"))
    with caplog.at_level(logging.WARNING):
        features = load_features(task, CORPUS, model, task.label_space(CORPUS.items), 64, folder / "blocked")
    assert "not cached" in caplog.text
    assert _equal(features, expected)


def test_workers_that_start_together_build_it_once(folder: Path) -> None:
    in_processes(_build, [(folder,)] * 3)
    assert len(_entries(folder)) == 1


def _build(folder: Path) -> None:
    assert len(_features(folder)) == len(CORPUS.items)
