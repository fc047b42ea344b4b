"""Hub models: fetched once a node, the right files, and words for who is not let in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from trainables.config import ModelConfig
from trainables.modeling import hub
from trainables.modeling.hf_errors import ModelError, explained
from trainables.modeling.hub import access_hint, prefetch, wanted
from trainables.models import resolved


def test_settings_tokenizer_and_one_form_of_the_weights_are_wanted() -> None:
    files = ["README.md", "config.json", "merges.txt", "spiece.model", "chat_template.jinja", "tokenizer.json"]
    weights = ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "onnx/model.onnx", "tf_model.h5"]
    pickles = ["pytorch_model.bin", "training_args.bin", "original/consolidated.pth", "original/params.json"]
    assert wanted([*files, *weights, *pickles]) == sorted([*files[1:], *weights[:2]])
    assert wanted([*files, *pickles]) == sorted([*files[1:], "pytorch_model.bin"])


def test_nothing_is_fetched_for_a_folder_or_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, revision: str | None, files: Sequence[str]) -> None:
        raise AssertionError(f"{source} was asked for")

    prefetch(str(tmp_path), None, refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    prefetch("owner/name", "a" * 40, refuse)


def test_a_hub_that_cannot_be_asked_leaves_the_answer_to_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "_files", lambda source, revision: None)
    prefetch("owner/unreachable", None, lambda source, revision, files: fetched.append(source))
    assert fetched == []


def _refused(kind: type[GatedRepoError] | type[RepositoryNotFoundError]) -> OSError:
    response: Any = SimpleNamespace(headers={}, request=None)
    error = OSError("You are trying to access a gated repo.")
    error.__cause__ = kind("no", response=response)
    return error


def test_a_gated_model_says_what_to_accept_and_which_token_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    expected = r"gated: accept its licence at https://huggingface.co/owner/name and set HF_TOKEN .*HF_TOKEN is not set"
    with (
        pytest.raises(ModelError, match=expected),
        explained(ModelConfig(name="mine", source="owner/name")),
    ):
        raise _refused(GatedRepoError)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hint = access_hint(_refused(GatedRepoError), "owner/name")
    assert "its account has no access yet" in hint
    assert "hf_secret" not in hint
    assert "misspelled; if the model is private" in access_hint(_refused(RepositoryNotFoundError), "owner/name")
    assert access_hint(OSError("disk full"), "owner/name") == ""


def test_a_gated_preset_is_remarked_on_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert any("llama-3-2-1b: is gated" in note and "HF_TOKEN" in note for note in resolved("llama-3-2-1b").notes)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert not any("gated" in note for note in resolved("llama-3-2-1b").notes)
