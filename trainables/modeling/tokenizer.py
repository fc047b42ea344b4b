"""Loads the tokenizer of a model, with the quirks of its preset, and aligns the model's special ids with it.

A model without a pretrained tokenizer gets a vocabulary of the words of the data. It is built from the training part if
the data set comes with parts of its own, else from all its texts, and never from labels: splits are drawn per run,
while all runs share the tokens. If an evaluated text has a word that training lacks, its embedding is then untrained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import transformers
from pydantic import Field

from trainables.config import Frozen, ModelConfig
from trainables.data.dataset import Corpus, Item
from trainables.modeling.hf_errors import ModelError, explained, origin, quiet

FROM, WORDS = "from", "words"
TEXT_FIELDS = ("text", "text_pair", "words", "question", "context")
Texts = Callable[[], Iterable[str]]

_OTHERS = (FROM, "revision")
_OF_CODE = ("trust_remote_code", "code_revision")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_ALIGNED = ("pad_token_id", "bos_token_id", "eos_token_id")


def builds_vocabulary(config: ModelConfig) -> bool:
    """Return whether the tokens are words of the data; a saved folder already has the tokenizer that was built."""
    built = Path(config.source) / "tokenizer.json"
    return config.tokenizer.get(FROM) == WORDS and not (built.is_absolute() and built.is_file())


def load_tokenizer(config: ModelConfig, texts: Texts | None = None) -> transformers.PreTrainedTokenizerBase:
    """Load the fast tokenizer of a model; if it is built from the data, `texts` returns the texts to build it from.

    It pads on the right, as batches here are laid out, and always has a padding token: one without its own pads with
    the end of text, which classifiers never read, because they pool the last token that is not padding.
    Raises ModelError if there is no such token or no tokenizer.
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
    """Give the model's configuration the special ids of its tokenizer, in place; return a remark for each change.

    Models compare their input with these ids (decoders pool the last token that is not `pad_token_id`), so a model
    whose configuration lacks them or disagrees with the tokenizer does not compute what was intended.
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
        raise ModelError(f"{config.name}: its vocabulary is built from the texts of the data, but none are given here")
    settings = {name: value for name, value in config.tokenizer.items() if name != FROM}
    return word_tokenizer(texts(), WordVocabulary.model_validate(settings))


def _pretrained(config: ModelConfig) -> Any:
    for name in _OF_CODE:
        if name in config.tokenizer:
            raise ModelError(f"{config.name}: tokenizer.{name}: only the model itself may bring code")
    arguments = {name: value for name, value in config.tokenizer.items() if name not in _OTHERS}
    other = config.tokenizer.get(FROM)
    if other in (None, WORDS):
        arguments = arguments if other is None else {}
        return transformers.AutoTokenizer.from_pretrained(config.source, **origin(config), **arguments)
    revision = {} if Path(other).is_absolute() else {"revision": config.tokenizer.get("revision")}
    return transformers.AutoTokenizer.from_pretrained(other, trust_remote_code=False, **revision, **arguments)


def _require_vocabulary(config: ModelConfig, tokenizer: Any) -> None:
    """Refuse a tokenizer without a vocabulary: for a model without one, transformers makes one up that reads nothing.

    Such a tokenizer knows only the special tokens and at most the mark for the beginning of a word.
    """
    if len(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)) <= 1:
        raise ModelError(
            f"{config.name}: {config.tokenizer.get(FROM, config.source)} holds no tokenizer; put its files "
            "(tokenizer.json) there, or use another model's with tokenizer: {from: ...}"
        )


def _ensure_padding(config: ModelConfig, tokenizer: Any) -> None:
    if tokenizer.pad_token_id is not None:
        return
    token = tokenizer.eos_token or tokenizer.unk_token
    if token is None:
        raise ModelError(f"{config.name}: its tokenizer has no token to pad with; set tokenizer: {{pad_token: ...}}")
    tokenizer.pad_token = token


def _add_prefix_space(tokenizer: Any) -> None:
    """Apply `add_prefix_space` to the tokenizer's core: transformers 5 only notes it for generic tokenizer classes."""
    chain = tokenizer.backend_tokenizer.pre_tokenizer
    steps = [chain] if not hasattr(chain, "__len__") else [chain[index] for index in range(len(chain))]
    for step in steps:
        if hasattr(step, "add_prefix_space"):
            step.add_prefix_space = True


class WordVocabulary(Frozen):
    """Which words get an embedding of their own: the most frequent ones; all others share one."""

    size: int = Field(default=30_000, ge=8, description="largest number of words to keep")
    minimum: int = Field(default=2, ge=1, description="how often a word must occur to be kept")


def training_texts(corpus: Corpus) -> Iterator[str]:
    """Return the texts that a vocabulary may be built from. Raises ValueError if the items hold no known text field."""
    train = (corpus.parts or {}).get("train", range(len(corpus.items)))
    texts = [text for index in train for text in _texts(corpus.items[index])]
    if not texts:
        raise ValueError(f"no item has one of the fields {', '.join(TEXT_FIELDS)}: there are no words to build from")
    return iter(texts)


def _texts(item: Item) -> Iterator[str]:
    for name in TEXT_FIELDS:
        value = item.get(name)
        if value is not None:
            yield " ".join(value) if isinstance(value, list | tuple) else str(value)


def word_tokenizer(texts: Iterable[str], settings: WordVocabulary) -> Any:
    """Build a fast tokenizer of lower-cased words and punctuation; texts start with [CLS], [SEP] separates a pair."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    kept = sorted((word for word, count in counts.items() if count >= settings.minimum), key=lambda w: (-counts[w], w))
    tokens = dict.fromkeys([*_SPECIAL, *kept[: settings.size]])
    core = Tokenizer(models.WordLevel({token: row for row, token in enumerate(tokens)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizer, splitter
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A [SEP] $B", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
