"""Tokenizers: what every one of them is given, words of the data as pieces, and special ids that agree."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tiny import SENTENCES, tiny_model
from trainables.config import ModelConfig
from trainables.data.dataset import Corpus
from trainables.modeling.pretrained import ModelError, ModelSource
from trainables.modeling.tokenizer import (
    WordVocabulary,
    align,
    builds_vocabulary,
    load_tokenizer,
    training_texts,
    word_tokenizer,
)
from trainables.models import pin, resolve

ITEMS = [{"id": 0, "text": "the bus", "label": "secret"}, {"id": 1, "words": ["a", "bus"]}, {"id": 2, "text": "rare"}]


def test_words_are_kept_by_frequency_and_others_share_one_piece() -> None:
    tokenizer = word_tokenizer(["The bus, the power", "the power"], WordVocabulary(minimum=2))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "power"]
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == pieces
    assert tokenizer("POWER bus")["input_ids"] == [2, 5, 1]
    assert tokenizer("the", "power")["input_ids"] == [2, 4, 3, 5]
    assert tokenizer("")["input_ids"] == [2]
    assert len(word_tokenizer(SENTENCES, WordVocabulary(size=10, minimum=1))) == 14


def test_a_vocabulary_comes_from_the_training_part_and_never_from_labels() -> None:
    whole = Corpus("sample", ITEMS, "0")
    assert list(training_texts(whole)) == ["the bus", "a bus", "rare"]
    parted = Corpus("sample", ITEMS, "0", parts={"train": [0, 1], "validation": [2]})
    assert list(training_texts(parted)) == ["the bus", "a bus"]
    with pytest.raises(ValueError, match="no item has one of the fields text, text_pair, words"):
        training_texts(Corpus("sample", [{"id": 0, "label": "a"}], "0"))


def test_a_model_of_words_needs_texts_and_is_as_large_as_its_vocabulary() -> None:
    config = resolve("feed-forward")
    assert builds_vocabulary(config)
    with pytest.raises(ModelError, match="feed-forward: its vocabulary is built from the texts of the data"):
        load_tokenizer(config)
    source = ModelSource(config, texts=lambda: ["a b a", "b"])
    assert source.configuration(("x", "y")).vocab_size == len(source.tokenizer()) == 6


def test_a_baseline_can_take_the_pieces_of_another_model(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "bert")
    config = resolve("feed-forward", {"tokenizer": {"from": str(folder)}})
    assert config.tokenizer["revision"]
    assert "size" not in config.tokenizer
    assert not builds_vocabulary(config)
    tokenizer = load_tokenizer(config)
    assert tokenizer("power")["input_ids"] == load_tokenizer(resolve(str(folder)))("power")["input_ids"]
    assert ModelSource(config).configuration(("x", "y")).vocab_size == len(tokenizer)


def test_pretrained_weights_keep_their_own_pieces(tmp_path: Path) -> None:
    config = resolve(str(tiny_model(tmp_path / "bert")), {"tokenizer": {"from": str(tiny_model(tmp_path / "two"))}})
    with pytest.raises(ModelError, match="pretrained weights know only their own tokens"):
        ModelSource(config).configuration(("x", "y"))


def test_a_tokenizer_from_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a hub id or the full path of a tokenizer's folder"):
        resolve("feed-forward", {"tokenizer": {"from": "/nowhere/at/all"}})
    with pytest.raises(ValueError, match="nobody/nothing cannot be reached on the Hugging Face Hub"):
        pin(resolve("feed-forward", {"tokenizer": {"from": "nobody/nothing"}}), offline=True)
    pinned = resolve("feed-forward", {"tokenizer": {"from": "owner/name", "revision": "a" * 40}})
    assert pin(pinned, offline=True) is pinned


def test_special_ids_that_differ_are_those_of_the_tokenizer_and_said() -> None:
    configuration = SimpleNamespace(pad_token_id=None, bos_token_id=1, eos_token_id=[2, 7])
    tokenizer = SimpleNamespace(pad_token_id=3, bos_token_id=1, eos_token_id=7)
    remarks = align(configuration, tokenizer)
    assert remarks == ("pad_token_id was None in the model's configuration and is 3, as in its tokenizer",)
    assert vars(configuration) == {"pad_token_id": 3, "bos_token_id": 1, "eos_token_id": [2, 7]}
    assert align(configuration, tokenizer) == ()


def test_a_tokenizer_that_cannot_pad_is_refused(tmp_path: Path) -> None:
    settings = tiny_model(tmp_path, "llama") / "tokenizer_config.json"
    without = {key: value for key, value in json.loads(settings.read_text()).items() if key != "eos_token"}
    settings.write_text(json.dumps(without))
    with pytest.raises(ModelError, match="bare: its tokenizer has no token to pad with"):
        load_tokenizer(ModelConfig(name="bare", source=str(tmp_path)))
