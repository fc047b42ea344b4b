"""A vocabulary of the words of the data, for models that start without pretrained pieces.

It is built from the training part where the data set comes with parts of its own, else from all its texts, never from
labels: splits are drawn per run, while tokens are shared by all of them. A word of an evaluated text that training
lacks then has an embedding that nothing trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from trainables.config import Frozen
from trainables.data.dataset import Corpus, Item

TEXT_FIELDS = ("text", "text_pair", "words", "question", "context")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class WordVocabulary(Frozen):
    """Which words have an embedding of their own: the most frequent ones; all others share one."""

    size: int = Field(default=30_000, ge=8, description="words kept at most")
    minimum: int = Field(default=2, ge=1, description="times a word must occur to be kept")


def training_texts(corpus: Corpus) -> Iterator[str]:
    """The texts that a vocabulary may be built from. Raises ValueError where the items hold no text we know of."""
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
    """A fast tokenizer of lower-cased words and punctuation marks; a text begins with [CLS], [SEP] parts a pair."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    kept = sorted((word for word, count in counts.items() if count >= settings.minimum), key=lambda w: (-counts[w], w))
    pieces = dict.fromkeys([*_SPECIAL, *kept[: settings.size]])
    core = Tokenizer(models.WordLevel({piece: row for row, piece in enumerate(pieces)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizer, splitter
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A [SEP] $B", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
