"""The `inspect_model` process answers, in JSON and without loading weights, whether a model can do a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny import FAMILIES, Family, tiny_model
from trainables.models import resolve
from trainables.system.fresh_process import call
from trainables.tools.inspect_model import inspect_model


def _question(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"model": {"name": "tiny", "source": str(folder), **changes}, "task": "token_classification"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_described(tmp_path: Path, family: Family) -> None:
    facts = inspect_model(_question(tiny_model(tmp_path / family, family), tokenizer={"add_prefix_space": True}))
    assert facts["error"] is None
    assert facts["problems"] == []
    assert facts["architecture"] == family
    assert facts["has_biases"] == (family != "modernbert")
    assert facts["unpads"] == (family in ("bert", "roberta"))
    assert ("sdpa" in facts["attentions"]) == (family != "deberta-v2")
    assert facts["max_tokens"] == (None if family == "modernbert" else 160)
    assert facts["vocabulary"] == facts["tokenizer_size"]
    assert 5_000 < facts["parameters"] < 100_000


def test_weights_are_not_needed(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    assert inspect_model(_question(folder))["error"] is None


def test_what_would_fail_later_is_a_problem_now(tmp_path: Path) -> None:
    problems = inspect_model(_question(tiny_model(tmp_path / "modernbert", "modernbert")))["problems"]
    assert any("add_prefix_space: true" in problem for problem in problems)


def test_the_process_says_the_same(tmp_path: Path) -> None:
    name = f"{inspect_model.__module__}:{inspect_model.__name__}"
    assert call(name, _question(tiny_model(tmp_path / "bert")))["error"] is None
    assert "cannot be loaded" in call(name, _question(tmp_path / "absent"))["error"]


def test_special_ids_that_will_be_replaced_and_heads_that_are_missing_are_told_beforehand(tmp_path: Path) -> None:
    classify = {"task": "sequence_classification"}
    facts = inspect_model({**_question(tiny_model(tmp_path / "llama", "llama")), **classify})
    assert facts["error"] is None
    assert facts["remarks"] == ["pad_token_id was None in the model's configuration and is 1, as in its tokenizer"]
    pooled = inspect_model({**_question(tiny_model(tmp_path / "roberta", "roberta"), pooling="mean"), **classify})
    assert (pooled["architecture"], pooled["max_tokens"]) == ("mean-pooling", 160)
    baseline = {**_question(tmp_path), "model": resolve("feed-forward").model_dump()}
    assert "feed-forward has no head for token classification" in inspect_model(baseline)["error"]
    assert inspect_model({**baseline, **classify})["tokenizer_size"] is None
