"""Lengths that a model cannot read, and tokens that it has no embedding for, are refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.load import load
from orchestrator.config.look import look
from orchestrator.config.resolve import resolve
from orchestrator.config.yaml_file import dump
from orchestrator.errors import InvalidExperiment, Problem
from tests.tiny import Family, tiny_data, tiny_model


def _problems(folder: Path, family: Family = "bert", **changes: Any) -> list[Problem]:
    """Every problem of an experiment with one tiny model of 160 positions; both ways to check say the same."""
    path = _written(folder, family, **changes)
    with pytest.raises(InvalidExperiment) as resolved:
        resolve(load(str(path)))
    with pytest.raises(InvalidExperiment) as looked:
        look(load(str(path)), run_code=False)
    assert str(looked.value) == str(resolved.value)
    return list(resolved.value.problems)


def _written(folder: Path, family: Family = "bert", **changes: Any) -> Path:
    tiny_data(folder / "items.jsonl")
    if not (folder / "model").exists():
        tiny_model(folder / "model", family)
    content = {
        "experiment": "tiny",
        "task": "token_classification",
        "data": {"path": "items.jsonl"},
        "models": {"tiny": {"path": "model"}},
        **changes,
    }
    path = folder / "tiny.yaml"
    path.write_text(dump(content), encoding="utf-8")
    return path


def _line(folder: Path, text: str) -> int:
    lines = (folder / "tiny.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_length_above_the_positions_is_refused_at_its_key(tmp_path: Path, family: Family) -> None:
    (problem,) = _problems(tmp_path, family, train={"max_length": 161})
    assert problem.key == "train.max_length"
    assert problem.line == _line(tmp_path, "max_length")
    assert problem.message.startswith("is 161, but tiny reads at most 160 tokens")
    assert problem.message.endswith("; write 160 or less, or give it its own (models.tiny.max_length)")
    assert resolve(load(str(_written(tmp_path, family, train={"max_length": 160})))).systems


def test_a_models_own_length_is_named_and_so_is_the_default(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, models={"tiny": {"path": "model", "max_length": 200}})
    assert (problem.key, problem.line) == ("models.tiny.max_length", _line(tmp_path, "max_length"))
    assert problem.message == "is 200, but tiny reads at most 160 tokens; write 160 or less"
    small = {"path": "model", "overrides": {"max_position_embeddings": 64}, "random_init": True}
    (problem,) = _problems(tmp_path, models={"tiny": small})
    assert problem.key == "train.max_length"
    assert problem.message.startswith("is 128, but tiny reads at most 64 tokens")


def test_the_length_of_an_adaptation_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("The bus shall work.\n", encoding="utf-8")
    text = {"data": {"path": "text.txt"}}
    (problem,) = _problems(tmp_path, adapt={**text, "max_length": 512})
    assert (problem.key, problem.line) == ("adapt.max_length", _line(tmp_path, "max_length"))
    assert problem.message.endswith("write 160 or less, or give it its own (models.tiny.adapt.max_length)")
    own = {"tiny": {"path": "model", "adapt": {"max_length": 300}}}
    (problem,) = _problems(tmp_path, models=own, adapt={**text, "max_length": 64})
    assert problem.key == "models.tiny.adapt.max_length"


@pytest.mark.parametrize(
    ("values", "length"), [({"choice": [64, 512]}, 512), ({"integer": [32, 161]}, 161), ({"choice": [161, 64]}, 161)]
)
def test_lengths_that_a_search_may_try_are_checked(tmp_path: Path, values: dict[str, Any], length: int) -> None:
    search = {"parameters": {"train.max_length": values}}
    (problem,) = _problems(tmp_path, search=search)
    assert problem.key == "search.parameters.train.max_length"
    assert problem.message == f"is {length}, but tiny reads at most 160 tokens; write 160 or less"
    others = {"parameters": {"train.max_length": {**values, "models": ["other"]}}}
    models = {"tiny": {"path": "model"}, "other": {"path": "other"}}
    tiny_model(tmp_path / "other", "modernbert")
    resolve(load(str(_written(tmp_path, models=models, search=others))))


def test_sizes_that_the_weights_contradict_are_refused(tmp_path: Path) -> None:
    overrides = {"max_position_embeddings": 512, "vocab_size": 9}
    first, second = _problems(tmp_path, models={"tiny": {"path": "model", "overrides": overrides}})
    assert (first.key, first.message) == (
        "models.tiny.overrides.max_position_embeddings",
        "is 512, but the weights have 160; remove it, or write random_init: true",
    )
    assert second.key == "models.tiny.overrides.vocab_size"
    assert "is 9, but the weights have" in second.message


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path)
    config = tmp_path / "model" / "config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    size = content["vocab_size"]
    config.write_text(json.dumps({**content, "vocab_size": size - 1}), encoding="utf-8")
    with pytest.raises(InvalidExperiment) as refused:
        resolve(load(str(path)))
    (problem,) = refused.value.problems
    assert (problem.key, problem.line) == ("models.tiny", _line(tmp_path, "tiny: "))
    assert f"token ids for {size} tokens, but the model has {size - 1} embeddings" in problem.message


def test_a_special_token_that_the_model_does_not_know_is_refused_at_its_key(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, models={"tiny": {"path": "model", "tokenizer": {"pad_token": "[ANOTHER]"}}})
    assert problem.key == "models.tiny.tokenizer"
    (problem,) = _problems(tmp_path, models={"tiny": {"path": "model", "tokenizer": {"from": "words"}}})
    assert problem.key == "models.tiny.tokenizer.from"
    assert "pretrained weights know only their own tokens" in problem.message


def test_a_length_beyond_training_is_noted_for_rotary_positions(tmp_path: Path) -> None:
    resolved = resolve(load(str(_written(tmp_path, "llama", train={"max_length": 161}))))
    assert resolved.notes[-1].startswith("train.max_length is 161, but tiny was trained with up to 160 tokens")
    assert not resolve(load(str(_written(tmp_path, "llama", train={"max_length": 160})))).notes


def test_a_length_above_what_a_preset_is_for_is_noted_before_its_model_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    changes = {"models": ["roberta-base"], "train": {"max_length": 513}}
    _, notes = look(load(str(_written(tmp_path, **changes))), run_code=False)
    assert "train.max_length is 513, but roberta-base is for up to 512 tokens: its runs may fail" in notes
