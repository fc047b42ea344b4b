"""Which piece belongs to which word: the bookkeeping between a tokenizer's pieces and the words people label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables.engine.corpus import Item

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Kept = Sequence[Sequence[int]]


def kept_words(items: Sequence[Item]) -> Kept:
    """Per item the places of its words that are more than white space: what every tokenizer is given."""
    return [[place for place, word in enumerate(item["words"]) if word.strip()] for item in items]


def require_word_pieces(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ValueError for a tokenizer that cannot say which word a piece is of, or that misreads single words."""
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{tokenizer.name_or_path}: token_classification needs a fast tokenizer (tokenizer.json)")
    state = str(tokenizer.backend_tokenizer.pre_tokenizer)
    if "ByteLevel(add_prefix_space=False" in state:
        reason = "its byte-level tokenizer would read every word as the middle of one"
        raise ValueError(f"{tokenizer.name_or_path}: {reason}; set the model's tokenizer: {{add_prefix_space: true}}")


def word_of_piece(encodings: Sequence[Any], kept: Kept, offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    """For every piece the place of its word in the item, flat; -1 for special pieces."""
    starts = np.cumsum([0, *(len(places) for places in kept)])
    flat = np.fromiter(chain.from_iterable(kept), np.int32, starts[-1])
    words = chain.from_iterable(encoding.word_ids for encoding in encodings)
    word = np.fromiter((-1 if index is None else index for index in words), np.int64, offsets[-1])
    cell = word + np.repeat(starts[:-1], np.diff(offsets))
    return np.where(word < 0, -1, flat[np.where(word < 0, 0, cell)]).astype(np.int32)


def word_facts(items: Sequence[Item], kept: Kept, encodings: Sequence[Any], terms: NDArray[np.int32]) -> dict[str, int]:
    """Words that are not scored, or scored as misses. A word without pieces is one the tokenizer cannot see."""
    missed = np.array([len(places) for places in kept]) - terms
    cut = np.array([bool(encoding.overflowing) for encoding in encodings], dtype=bool)
    return {
        "truncated_items": int(cut.sum()),
        "truncated_words": int(missed[cut].sum()),
        "words_without_pieces": int(missed[~cut].sum()),
        "white_space_words": sum(len(item["words"]) - len(places) for item, places in zip(items, kept, strict=True)),
    }
