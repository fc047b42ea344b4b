"""Items that are texts or pairs of texts: how they are checked and tokenised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.dataset import DataError, Item
from trainables.data.features import Ragged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEXT, PAIR = "text", "text_pair"
SEGMENTS = "token_type_ids"


def text_fault(item: Item, pairs: bool) -> str | None:
    """Return why an item's text (or a pair's texts) cannot be used, or None. White space alone counts as empty."""
    for name in (TEXT, PAIR) if pairs else (TEXT,):
        text = item.get(name)
        if text is None:
            return missing(item, name)
        if not isinstance(text, str):
            return f"{name} must be text, got {type(text).__name__}"
        if not text.strip():
            return f"{name} is empty"
    return None


def missing(item: Item, field: str) -> str:
    """Return why an item lacks a field: nothing stands in it, or the item has no such field."""
    if field in item:
        return f"there is nothing in {field}: fill it in, or leave the item out"
    known = ", ".join(name for name in item if name != "id")
    return f"there is no {field}; map a column to it with data.columns (there are: {known or 'none'})"


def require_texts(items: Sequence[Item]) -> None:
    """Raise DataError naming the first item whose text cannot be used; if any item is a pair, all need both texts."""
    pairs = have_pairs(items)
    for number, item in enumerate(items, start=1):
        reason = text_fault(item, pairs)
        if reason:
            raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")


def have_pairs(items: Sequence[Item]) -> bool:
    """Return whether the items are pairs: then every one needs both texts."""
    return any(item.get(PAIR) is not None for item in items)


def encode_texts(
    items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[dict[str, Ragged], dict[str, int], dict[str, NDArray[np.int32]]]:
    """Return columns with one row per item, their padding values, and per item counts of what truncation cut off.

    Segments (`token_type_ids`) are kept only if the tokenizer gives any besides the first, which models assume by
    default. In a pair the longer text is cut first.
    """
    texts = [item[TEXT] for item in items]
    pairs = [item[PAIR] for item in items] if have_pairs(items) else None
    encoded = tokenizer(texts, pairs, truncation=True, max_length=max_length, return_attention_mask=False)
    columns = {"input_ids": Ragged.from_rows(encoded["input_ids"], np.int32)}
    padding = {"input_ids": tokenizer.pad_token_id or 0}
    segments = Ragged.from_rows(encoded.get(SEGMENTS, []), np.int32)
    if SEGMENTS in tokenizer.model_input_names and segments.values.any():
        columns[SEGMENTS], padding[SEGMENTS] = segments, int(tokenizer.pad_token_type_id)
    if encoded.encodings is None:  # a tokenizer written in Python does not report what it cut off
        whole = tokenizer(texts, pairs, return_attention_mask=False, verbose=False)["input_ids"]
        return columns, padding, {"truncated_items": _counted(len(row) > max_length for row in whole)}
    return columns, padding, cut_off(encoded.encodings)


def cut_off(encodings: Sequence[Any]) -> dict[str, NDArray[np.int32]]:
    """Return for each encoded text whether it lost tokens, and how many words it lost."""
    lost = [_words_lost(encoding) if encoding.overflowing else 0 for encoding in encodings]
    cut = (bool(encoding.overflowing) for encoding in encodings)
    return {"truncated_items": _counted(cut), "truncated_words": _counted(lost)}


def _counted(values: Iterable[int]) -> NDArray[np.int32]:
    return np.array(list(values), dtype=np.int32)


def _words_lost(encoding: Any) -> int:
    """Count the words of which no token is left."""
    lost = set().union(*(_words(part) for part in encoding.overflowing))
    return len(lost - _words(encoding))


def _words(encoding: Any) -> set[tuple[int, int]]:
    pairs = zip(encoding.sequence_ids, encoding.word_ids, strict=True)
    return {(text, word) for text, word in pairs if text is not None and word is not None}


def column(items: Sequence[Item], rows: NDArray[np.int32], name: str) -> list[str | None]:
    """Return a field of the items at `rows` as text, None where an item lacks it."""
    values = (items[row].get(name) for row in rows)
    return [None if value is None else str(value) for value in values]
