"""Loads the tokenizer of a model, with the quirks of its preset, and aligns the model's special ids with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import transformers

from trainables.config import ModelConfig
from trainables.modeling.hf_errors import ModelError, explained, origin, quiet
from trainables.modeling.word_vocabulary import WordVocabulary, word_tokenizer

FROM, WORDS = "from", "words"
Texts = Callable[[], Iterable[str]]

_OTHERS = (FROM, "revision")
_OF_CODE = ("trust_remote_code", "code_revision")
_ALIGNED = ("pad_token_id", "bos_token_id", "eos_token_id")


def builds_vocabulary(config: ModelConfig) -> bool:
    """Whether the pieces are words of the data; a folder that was saved has the tokenizer that was built."""
    own = Path(config.source) / "tokenizer.json"
    return config.tokenizer.get(FROM) == WORDS and not (own.is_absolute() and own.is_file())


def load_tokenizer(config: ModelConfig, texts: Texts | None = None) -> transformers.PreTrainedTokenizerBase:
    """The fast tokenizer of a model; where it is built from the data, `texts` gives the texts that it may know.

    It pads on the right, as batches are laid out here, and always has a padding token: one that lacks its own
    pads with the end of text, which no classifier reads, because they pool the last piece that is not padding.
    Raises ModelError where there is none.
    """
    with quiet(), explained(config):
        tokenizer = _of_the_data(config, texts) if builds_vocabulary(config) else _pretrained(config)
    _require_vocabulary(config, tokenizer)
    if config.tokenizer.get("add_prefix_space"):
        _add_prefix_space(tokenizer)
    tokenizer.padding_side = "right"
    _ensure_padding(config, tokenizer)
    return tokenizer


def align(configuration: Any, tokenizer: Any) -> tuple[str, ...]:
    """Give the model's configuration the special ids of its tokenizer, in place; returns a remark for each change.

    Models compare their input with these ids (decoders pool the last piece that is not `pad_token_id`), so that a
    configuration that disagrees with the tokenizer, or has none, computes something else than intended.
    """
    remarks = []
    for name in _ALIGNED:
        theirs, ours = getattr(configuration, name, None), getattr(tokenizer, name)
        if theirs != ours and not (isinstance(theirs, list) and ours in theirs):
            setattr(configuration, name, ours)
            remarks.append(f"{name} was {theirs} in the model's configuration and is {ours}, as in its tokenizer")
    return tuple(remarks)


def _of_the_data(config: ModelConfig, texts: Texts | None) -> Any:
    if texts is None:
        raise ModelError(f"{config.name}: its vocabulary is built from the texts of the data, and none are given here")
    settings = {name: value for name, value in config.tokenizer.items() if name != FROM}
    return word_tokenizer(texts(), WordVocabulary.model_validate(settings))


def _pretrained(config: ModelConfig) -> Any:
    for name in _OF_CODE:
        if name in config.tokenizer:
            raise ModelError(f"{config.name}: tokenizer.{name}: only the model itself may have code of its own")
    arguments = {name: value for name, value in config.tokenizer.items() if name not in _OTHERS}
    other = config.tokenizer.get(FROM)
    if other in (None, WORDS):
        arguments = arguments if other is None else {}
        return transformers.AutoTokenizer.from_pretrained(config.source, **origin(config), **arguments)
    revision = {} if Path(other).is_absolute() else {"revision": config.tokenizer.get("revision")}
    return transformers.AutoTokenizer.from_pretrained(other, trust_remote_code=False, **revision, **arguments)


def _require_vocabulary(config: ModelConfig, tokenizer: Any) -> None:
    """Refuse a tokenizer without a vocabulary: transformers makes one up where a model has none, and it reads nothing.

    One that it makes up knows the special tokens and at most the mark of a word's beginning.
    """
    if len(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)) <= 1:
        raise ModelError(
            f"{config.name}: {config.tokenizer.get(FROM, config.source)} holds no tokenizer; put its files "
            "(tokenizer.json) there, or take another model's with tokenizer: {from: ...}"
        )


def _ensure_padding(config: ModelConfig, tokenizer: Any) -> None:
    if tokenizer.pad_token_id is not None:
        return
    found = tokenizer.eos_token or tokenizer.unk_token
    if found is None:
        raise ModelError(f"{config.name}: its tokenizer has no token to pad with; set tokenizer: {{pad_token: ...}}")
    tokenizer.pad_token = found


def _add_prefix_space(tokenizer: Any) -> None:
    """Apply `add_prefix_space` to the tokenizer's core: transformers 5 only notes it for generic tokenizer classes."""
    found = tokenizer.backend_tokenizer.pre_tokenizer
    steps = [found] if not hasattr(found, "__len__") else [found[index] for index in range(len(found))]
    for step in steps:
        if hasattr(step, "add_prefix_space"):
            step.add_prefix_space = True
