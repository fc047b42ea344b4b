"""Cuts text to the length of a model: a question's context into overlapping windows, running text into equal chunks.

A window stands behind the whole question; a chunk has the special tokens that its model expects around a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainables.data.dataset import DataError, Item
from trainables.data.features import Ragged
from trainables.tasks._answers import first_answer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


NO_ANSWER = 0  # the piece that stands for "no answer": CLS, the first of every window
_ITEMS_AT_ONCE = 512  # the tokenizer's own objects are far larger than the arrays made of them


@dataclass(frozen=True)
class Windows:
    """F windows, those of one item together and in order of the context; T_f pieces each, special ones included.

    `item` [F] indexes the items. Per piece: `input_ids`, `type_ids` (0 question, 1 context, where the tokenizer tells
    them apart), and where in the context its text is: `start` (first character) and `end` (after the last), -1 where
    the piece is not of the context or has no text.
    """

    item: NDArray[np.int32]
    input_ids: Ragged
    type_ids: Ragged
    start: Ragged
    end: Ragged


def windows_of(
    items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int, task: str
) -> Windows:
    """The windows of all items: at most `max_length` pieces, neighbours share `stride` pieces of the context.

    A question is never cut. Raises ValueError for a tokenizer that cannot do this, DataError for an item that leaves
    too little room for its context or whose context the tokenizer does not see.
    """
    _require_cls(tokenizer, task)
    rows: list[tuple[int, NDArray[np.int32], NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]] = []
    for first in range(0, len(items), _ITEMS_AT_ONCE):
        chunk = items[first : first + _ITEMS_AT_ONCE]
        for item, encoding in _encodings(chunk, tokenizer, max_length, stride):
            if encoding.ids[NO_ANSWER] != tokenizer.cls_token_id:
                raise ValueError(_without_cls(tokenizer, task))
            pieces = np.array(encoding.ids, dtype=np.int32), np.array(encoding.type_ids, dtype=np.int8)
            rows.append((first + item, *pieces, *_characters(encoding)))
    owners, ids, types, start, end = zip(*rows, strict=True)
    found = Windows(
        np.array(owners, dtype=np.int32),
        *(Ragged.from_rows(part, kind) for part, kind in ((ids, np.int32), (types, np.int8))),
        *(Ragged.from_rows(part, np.int32) for part in (start, end)),
    )
    _require_context(items, found)
    return found


def answer_pieces(windows: Windows, items: Sequence[Item]) -> NDArray[np.int32]:
    """First and last piece of each window's answer, [F, 2]: the first gold answer, where the window holds it whole.

    Else both are NO_ANSWER, as they are for a question without an answer.
    """
    pieces = np.full((len(windows.item), 2), NO_ANSWER, dtype=np.int32)
    for window, index in enumerate(windows.item):
        answer = first_answer(items[index])
        if answer is None:
            continue
        place = np.flatnonzero(windows.start.row(window) >= 0)
        start, end = windows.start.row(window)[place], windows.end.row(window)[place]
        if len(place) and start[0] <= answer[0] and answer[1] <= end[-1]:
            pieces[window, 0] = place[np.searchsorted(start, answer[0], side="right") - 1]
            pieces[window, 1] = place[np.searchsorted(end, answer[1], side="left")]
    return pieces


def window_counts(
    items: Sequence[Item], owner: NDArray[np.int32], pieces: NDArray[np.int32]
) -> dict[str, NDArray[np.int32]]:
    """Windows of each question, and 1 where none of them holds its answer whole: that one cannot be learned."""
    answerable = np.array([first_answer(item) is not None for item in items], dtype=bool)
    reached = np.bincount(owner[pieces[:, 1] != NO_ANSWER], minlength=len(items)) > 0
    windows = np.bincount(owner, minlength=len(items)).astype(np.int32)
    return {"windows": windows, "answers_in_no_window": (answerable & ~reached).astype(np.int32)}


def _encodings(
    items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int
) -> Iterator[tuple[int, Any]]:
    """(index of the item, encoding of one window), in order."""
    questions = [item["question"].strip() for item in items]
    _require_room(items, questions, tokenizer, max_length, stride)
    batch = tokenizer(
        questions,
        [item["context"] for item in items],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_attention_mask=False,
    )
    yield from zip(batch["overflow_to_sample_mapping"], batch.encodings, strict=True)


def _characters(encoding: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where each piece begins and ends in the context; -1 for pieces that are not of it or have no text."""
    offsets = np.array(encoding.offsets, dtype=np.int32)
    of_context = np.array([sequence == 1 for sequence in encoding.sequence_ids])
    seen = of_context & (offsets[:, 1] > offsets[:, 0])
    return np.where(seen, offsets[:, 0], -1), np.where(seen, offsets[:, 1], -1)


def _require_cls(tokenizer: PreTrainedTokenizerBase, task: str) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{tokenizer.name_or_path}: {task} needs a fast tokenizer (tokenizer.json)")
    if tokenizer.cls_token_id is None or tokenizer.padding_side != "right":
        raise ValueError(_without_cls(tokenizer, task))


def _without_cls(tokenizer: PreTrainedTokenizerBase, task: str) -> str:
    reason = "its tokenizer does not put a CLS token first, where a question without an answer points"
    return f"{tokenizer.name_or_path}: {reason}; {task} needs an encoder such as BERT"


def _require_room(
    items: Sequence[Item], questions: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int
) -> None:
    special = tokenizer.num_special_tokens_to_add(pair=True)
    lengths = [len(ids) for ids in tokenizer(list(questions), add_special_tokens=False)["input_ids"]]
    for item, length in zip(items, lengths, strict=True):
        room = max_length - special - length
        if room <= stride:
            raise DataError(
                f"question {item.get('id')!r}: its {length} pieces leave {max(room, 0)} of max_length {max_length} to "
                f"the context, and windows that overlap by stride {stride} need more: "
                "raise train.max_length or lower task_options.stride"
            )


def _require_context(items: Sequence[Item], windows: Windows) -> None:
    owner = np.repeat(windows.item, windows.start.lengths)
    unseen = np.setdiff1d(np.arange(len(items)), owner[windows.start.values >= 0])
    if len(unseen):
        raise DataError(f"question {items[unseen[0]].get('id')!r}: the tokenizer sees nothing of its context")


Chunking = Literal["concatenate", "line"]


@dataclass(frozen=True)
class Frame:
    """The special pieces before and after a text; `separator` stands between two texts of one chunk."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def separator(self) -> tuple[int, ...]:
        """What ends a text, once: RoBERTa's FULL-SENTENCES (Liu et al. 2019, section 4.2)."""
        return self.after[-1:]

    @property
    def width(self) -> int:
        """Pieces of a chunk that are not text."""
        return len(self.before) + len(self.after)


@dataclass(frozen=True)
class Chunks:
    """C chunks: their pieces, which of these are text (1) and not special (0), and the text each chunk begins in."""

    pieces: Ragged
    is_text: Ragged
    owner: NDArray[np.int32]


def frame_of(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """The special pieces that the tokenizer puts around a text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    pieces, special = encoded["input_ids"], np.array(encoded["special_tokens_mask"])
    text = np.flatnonzero(special == 0)
    return Frame(tuple(pieces[: text[0]]), tuple(pieces[text[-1] + 1 :]))


def chunked(texts: Sequence[Sequence[int]], frame: Frame, max_length: int, chunking: Chunking) -> Chunks:
    """Cut the pieces of texts into chunks of at most `max_length`, special pieces included; no piece is left out.

    `concatenate` fills every chunk but the last, across texts, with a separator between two of them. `line` begins a
    new chunk with every text, and cuts a text that is longer than a chunk. A text without pieces gives none.
    """
    room = max_length - frame.width
    if room < 1:
        raise ValueError(f"train.max_length {max_length} leaves no room beside {frame.width} special pieces")
    present = [(number, list(text)) for number, text in enumerate(texts) if len(text)]
    if chunking == "line":
        return _framed([_stream([text], (), frame, room) for text in present])
    return _framed([_stream(present, frame.separator, frame, room)])


@dataclass(frozen=True)
class _Stream:
    """Texts one after the other, and where each chunk of them begins and ends."""

    pieces: NDArray[np.int32]
    is_text: NDArray[np.int8]
    owner: NDArray[np.int32]
    frame: Frame
    room: int


def _stream(texts: Sequence[tuple[int, list[int]]], separator: tuple[int, ...], frame: Frame, room: int) -> _Stream:
    pieces: list[int] = []
    is_text: list[int] = []
    owner: list[int] = []
    for place, (number, text) in enumerate(texts):
        between = () if place == 0 else separator
        pieces += [*between, *text]
        is_text += [0] * len(between) + [1] * len(text)
        owner += [number] * (len(between) + len(text))
    arrays = np.array(pieces, np.int32), np.array(is_text, np.int8), np.array(owner, np.int32)
    return _Stream(*arrays, frame, room)


def _framed(streams: Sequence[_Stream]) -> Chunks:
    pieces: list[NDArray[np.int32]] = []
    is_text: list[NDArray[np.int8]] = []
    owner: list[int] = []
    for stream in streams:
        before, after = (np.array(side, np.int32) for side in (stream.frame.before, stream.frame.after))
        special = tuple(np.zeros(len(side), np.int8) for side in (before, after))
        for start in range(0, len(stream.pieces), stream.room):
            part = slice(start, start + stream.room)
            if not stream.is_text[part].any():
                continue  # nothing but a separator
            pieces.append(np.concatenate([before, stream.pieces[part], after]))
            is_text.append(np.concatenate([special[0], stream.is_text[part], special[1]]))
            owner.append(int(stream.owner[start]))
    return Chunks(
        Ragged.from_rows(pieces, np.int32), Ragged.from_rows(is_text, np.int8), np.array(owner, dtype=np.int32)
    )
