"""Maps a tokenizer's tokens to the words that people label, and checks those words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.dataset import Item
from trainables.tasks._texts import missing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Kept = Sequence[Sequence[int]]


def kept_words(items: Sequence[Item]) -> Kept:
    """Return per item the indices of words that are not just white space: every tokenizer is given these words."""
    return [[index for index, word in enumerate(item["words"]) if word.strip()] for item in items]


def require_word_ids(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ValueError for a tokenizer that cannot tell a token's word, or that misreads single words."""
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{tokenizer.name_or_path}: token_classification needs a fast tokenizer (tokenizer.json)")
    state = str(tokenizer.backend_tokenizer.pre_tokenizer)
    if "ByteLevel(add_prefix_space=False" in state:
        reason = "its byte-level tokenizer would read every word as the middle of another"
        raise ValueError(f"{tokenizer.name_or_path}: {reason}; set the model's tokenizer: {{add_prefix_space: true}}")


def word_of_token(encodings: Sequence[Any], kept: Kept, offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return for every token the index of its word in the item, flat; -1 for special tokens."""
    starts = np.cumsum([0, *(len(indices) for indices in kept)])
    flat = np.fromiter(chain.from_iterable(kept), np.int32, starts[-1])
    words = chain.from_iterable(encoding.word_ids for encoding in encodings)
    word = np.fromiter((-1 if index is None else index for index in words), np.int64, offsets[-1])
    cell = word + np.repeat(starts[:-1], np.diff(offsets))
    return np.where(word < 0, -1, flat[np.where(word < 0, 0, cell)]).astype(np.int32)


def word_counts(
    items: Sequence[Item], kept: Kept, encodings: Sequence[Any], terms: NDArray[np.int32]
) -> dict[str, NDArray[np.int32]]:
    """Count per item the words that are not scored, or scored as misses (cut off, or without any token)."""
    seen = np.array([len(indices) for indices in kept], dtype=np.int32)
    cut = np.array([bool(encoding.overflowing) for encoding in encodings], dtype=bool)
    return {
        "truncated_items": cut.astype(np.int32),
        "truncated_words": np.where(cut, seen - terms, 0).astype(np.int32),
        "words_without_pieces": np.where(cut, 0, seen - terms).astype(np.int32),
        "white_space_words": np.array([len(item["words"]) for item in items], dtype=np.int32) - seen,
    }


def split_text(item: Item) -> list[str] | None:
    """Split an item's `text` at white space into words; None if it has no text."""
    return item["text"].split() if isinstance(item.get("text"), str) else None


def word_fault(item: Item) -> str | None:
    """Return why an item's words and labels cannot be used, or None."""
    words, labels = item.get("words"), item.get("labels")
    for name, values in (("words", words), ("labels", labels)):
        if values is None:
            return missing(item, name)
        if not isinstance(values, list | tuple):
            return f"{name} must be a list, got {type(values).__name__}"
        wrong = next((value for value in values if not isinstance(value, str)), None)
        if wrong is not None or any(value is None for value in values):
            return f"{name} must hold text only, got {wrong!r}{_remedy(name, wrong)}"
    if len(words or ()) != len(labels or ()):
        return f"{len(words or ())} words but {len(labels or ())} labels"
    if not any(word.strip() for word in words or ()):
        return "its words are white space only"
    return "a label is empty or holds a control character" if not all(map(_is_label, labels or ())) else None


def _remedy(name: str, wrong: Any) -> str:
    if name != "labels" or not isinstance(wrong, int):
        return ""
    if wrong == -1:
        return " (-1 marks hidden labels, which cannot be learned or scored)"
    return "; numbers of classes need data.label_names"


def _is_label(label: str) -> bool:
    return bool(label.strip()) and label.isprintable()
