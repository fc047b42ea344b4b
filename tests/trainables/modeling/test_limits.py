"""The limits of a model, read from its files alone, are those that the model itself has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from tests.tiny import DECODERS, ENCODERS, Family, tiny_model
from trainables.config import ModelConfig
from trainables.modeling.limits import Limits, limits_of, max_tokens, require_length
from trainables.modeling.tokenizer import load_tokenizer

SMALL: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
OF_KIND: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
    "longformer": {"attention_window": [8]},
    "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 40, "bos_token_id": 1, "eos_token_id": 1},
    "bart": {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    | {"encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "xlm-roberta": {"pad_token_id": 1},
    "modernbert": {"pad_token_id": 2, "bos_token_id": 1, "eos_token_id": 1, "cls_token_id": 1, "sep_token_id": 1},
}


@pytest.mark.parametrize(
    ("kind", "changes", "tokens"),
    [
        ("bert", {}, 40),
        ("albert", {"embedding_size": 32}, 40),
        ("distilbert", {}, 40),
        ("electra", {"embedding_size": 32}, 40),
        ("gpt2", {}, 40),
        ("bart", {}, 40),
        ("roberta", {"pad_token_id": 1}, 38),
        ("roberta", {"pad_token_id": 0}, 39),
        ("xlm-roberta", {}, 38),
        ("camembert", {"pad_token_id": 1}, 38),
        ("longformer", {"pad_token_id": 1}, 38),
        ("longformer", {"pad_token_id": 0}, 39),
        ("mpnet", {"pad_token_id": 1}, 38),
        ("mpnet", {"pad_token_id": 0}, 38),
        ("deberta-v2", {"position_biased_input": True}, 40),
        ("deberta-v2", {"position_biased_input": False, "relative_attention": True, "position_buckets": 8}, None),
        ("modernbert", {}, None),
        ("llama", {}, None),
    ],
)
def test_an_item_as_long_as_the_limit_is_computed_and_a_longer_one_is_not(
    kind: str, changes: dict[str, Any], tokens: int | None
) -> None:
    configuration = AutoConfig.for_model(kind, **SMALL | OF_KIND.get(kind, {}) | changes)
    assert max_tokens(json.loads(configuration.to_json_string())) == tokens
    model = AutoModel.from_config(configuration).eval()
    _compute(model, tokens or 120)
    if tokens is not None:
        with pytest.raises((RuntimeError, IndexError)):
            _compute(model, tokens + 1)


def _compute(model: Any, length: int) -> None:
    ids = torch.full((1, length), 7)
    with torch.no_grad():
        model(input_ids=ids, attention_mask=torch.ones_like(ids))


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS])
@pytest.mark.parametrize("settings", [{}, {"pad_token": "[ANOTHER]"}])
def test_the_tokens_of_a_tokenizer_are_counted_as_the_library_counts_them(
    tmp_path: Path, family: Family, settings: dict[str, Any]
) -> None:
    config = ModelConfig(name="tiny", source=str(tiny_model(tmp_path / family, family)), tokenizer=settings)
    limits = limits_of(config)
    assert limits is not None
    assert limits.vocabulary == len(load_tokenizer(config))
    assert limits.embeddings == limits.stored_embeddings == json.loads(_config(tmp_path / family))["vocab_size"]


def test_a_vocabulary_in_its_own_file_is_counted_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "vocab_size": 3}', encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\nfirst\nsecond\n", encoding="utf-8")
    limits = limits_of(ModelConfig(name="old", source=str(tmp_path)))
    assert limits == Limits(embeddings=3, stored_embeddings=3, vocabulary=4)
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "first": 1}', encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text('{"<extra>": 5}', encoding="utf-8")
    limits = limits_of(ModelConfig(name="old", source=str(tmp_path)))
    assert limits is not None
    assert limits.vocabulary == 6


def test_overrides_and_the_padding_token_of_the_tokenizer_count(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "roberta", "roberta")  # 162 positions, <pad> has the id 1
    written = json.loads(_config(folder))
    (folder / "config.json").write_text(json.dumps({**written, "pad_token_id": 0}), encoding="utf-8")
    limits = limits_of(ModelConfig(name="tiny", source=str(folder)))
    assert limits is not None
    assert (limits.tokens, limits.positions) == (160, 162)
    limits = limits_of(ModelConfig(name="tiny", source=str(folder), overrides={"max_position_embeddings": 34}))
    assert limits is not None
    assert (limits.tokens, limits.positions) == (32, 162)


def test_a_hub_model_in_the_local_cache_is_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "models--owner--name" / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 512}', encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = ModelConfig(name="near", source="owner/name", revision=commit)
    assert limits_of(cached) == Limits(tokens=512, positions=512)
    assert limits_of(cached.model_copy(update={"revision": "main"})) is None
    own_code = limits_of(cached.model_copy(update={"trust_remote_code": True}))
    assert own_code is not None
    assert own_code.tokens is None


def test_models_that_are_elsewhere_or_unreadable_have_no_limits_here(tmp_path: Path) -> None:
    assert limits_of(ModelConfig(name="far", source="owner/name", revision="0" * 40)) is None
    assert limits_of(ModelConfig(name="empty", source=str(tmp_path))) is None
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    assert limits_of(ModelConfig(name="broken", source=str(tmp_path))) is None


def test_a_model_that_was_downloaded_only_for_its_run_is_refused_there() -> None:
    require_length("bert", {"model_type": "bert", "max_position_embeddings": 512}, 512)
    with pytest.raises(ValueError, match="bert: max_length is 513, but the model reads at most 512 tokens"):
        require_length("bert", {"model_type": "bert", "max_position_embeddings": 512}, 513)


def test_reading_limits_imports_neither_torch_nor_transformers() -> None:
    code = "import sys, trainables.modeling.limits; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def _config(folder: Path) -> str:
    return (folder / "config.json").read_text(encoding="utf-8")
