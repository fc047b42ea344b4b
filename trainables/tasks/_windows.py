"""Cuts text to a model's length: a question's context into overlapping windows, running text into equal chunks.

A window follows the whole question; a chunk has the special tokens that its model expects around a text.
"""

from __future__ import annotations

import itertools
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


NO_ANSWER = 0  # the token that means "no answer": CLS, the first of every window
_ITEMS_AT_ONCE = 512  # the tokenizer's own objects are far larger than the arrays made from them


@dataclass(frozen=True)
class Windows:
    """F windows, grouped by item and in the order of the context, with T_f tokens each, special ones included.

    `item` [F] indexes the items. Per token: `input_ids`, `type_ids` (0 question, 1 context, where the tokenizer
    distinguishes them), and the position of its text in the context: `start` (first character) and `end` (after the
    last), -1 for a token outside the context or without text.
    """

    item: NDArray[np.int32]
    input_ids: Ragged
    type_ids: Ragged
    start: Ragged
    end: Ragged


def windows_of(
    items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int, task: str
) -> Windows:
    """Return the windows of all items: at most `max_length` tokens; neighbours share `stride` tokens of the context.

    A question is never cut. Raises ValueError for a tokenizer that cannot do this, DataError for a question that leaves
    too little room for its context or whose context has no tokens.
    """
    _require_cls(tokenizer, task)
    rows: list[tuple[int, NDArray[np.int32], NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]] = []
    for first in range(0, len(items), _ITEMS_AT_ONCE):
        chunk = items[first : first + _ITEMS_AT_ONCE]
        for item, encoding in _encodings(chunk, tokenizer, max_length, stride):
            if encoding.ids[NO_ANSWER] != tokenizer.cls_token_id:
                raise ValueError(_without_cls(tokenizer, task))
            tokens = np.array(encoding.ids, dtype=np.int32), np.array(encoding.type_ids, dtype=np.int8)
            rows.append((first + item, *tokens, *_characters(encoding)))
    owners, ids, types, start, end = zip(*rows, strict=True)
    windows = Windows(
        np.array(owners, dtype=np.int32),
        *(Ragged.from_rows(part, kind) for part, kind in ((ids, np.int32), (types, np.int8))),
        *(Ragged.from_rows(part, np.int32) for part in (start, end)),
    )
    _require_context(items, windows)
    return windows


def answer_tokens(windows: Windows, items: Sequence[Item]) -> NDArray[np.int32]:
    """Return the first and last token of each window's answer, [F, 2]: the first gold answer, if it is there whole.

    These are the tokens that hold some of its characters; a tokenizer may leave out others, such as a zero-width space.
    In a window without the whole answer, and for a question without one, both are NO_ANSWER.
    """
    tokens = np.full((len(windows.item), 2), NO_ANSWER, dtype=np.int32)
    bounds = np.flatnonzero(np.diff(windows.item, prepend=-1, append=len(items)))
    for first, after in itertools.pairwise(bounds):
        answer = first_answer(items[windows.item[first]])
        if answer is not None:
            tokens[first:after] = _of_question(windows, range(first, after), answer)
    return tokens


def _of_question(windows: Windows, own: range, answer: tuple[int, int]) -> NDArray[np.int32]:
    """Return the answer's first and last token in each of a question's windows, [windows, 2], NO_ANSWER without."""
    held = np.array([_overlapping(windows, window, answer) for window in own])  # tokens [:, :2], characters [:, 2:]
    present = held[:, 0] != NO_ANSWER
    if not present.any():
        return np.full((len(own), 2), NO_ANSWER, dtype=np.int32)
    whole = (held[:, 2] == held[present, 2].min()) & (held[:, 3] == held[present, 3].max()) & present
    return np.where(whole[:, None], held[:, :2], NO_ANSWER).astype(np.int32)


def _overlapping(windows: Windows, window: int, answer: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the first and last token that hold characters of the answer, and where these two begin and end."""
    visible = np.flatnonzero(windows.start.row(window) >= 0)
    start, end = windows.start.row(window)[visible], windows.end.row(window)[visible]
    first, last = np.searchsorted(end, answer[0], side="right"), np.searchsorted(start, answer[1], side="left") - 1
    if first > last:
        return NO_ANSWER, NO_ANSWER, 0, 0
    return int(visible[first]), int(visible[last]), int(start[first]), int(end[last])


def window_counts(
    items: Sequence[Item], owner: NDArray[np.int32], tokens: NDArray[np.int32]
) -> dict[str, NDArray[np.int32]]:
    """Count each question's windows, and mark with 1 an answer that no window holds whole: it cannot be learned."""
    answerable = np.array([first_answer(item) is not None for item in items], dtype=bool)
    reached = np.bincount(owner[tokens[:, 1] != NO_ANSWER], minlength=len(items)) > 0
    windows = np.bincount(owner, minlength=len(items)).astype(np.int32)
    return {"windows": windows, "answers_in_no_window": (answerable & ~reached).astype(np.int32)}


def _encodings(
    items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int
) -> Iterator[tuple[int, Any]]:
    """Yield (index of the item, encoding of one window), in order."""
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
    """Return where each token begins and ends in the context; -1 for tokens outside it or without text."""
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
    reason = "its tokenizer does not put a CLS token first, which stands for no answer"
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
                f"question {item.get('id')!r}: its {length} tokens leave {max(room, 0)} of max_length {max_length} for "
                f"the context, but windows that overlap by stride {stride} need more: "
                "raise train.max_length or lower task_options.stride"
            )


def _require_context(items: Sequence[Item], windows: Windows) -> None:
    owner = np.repeat(windows.item, windows.start.lengths)
    unseen = np.setdiff1d(np.arange(len(items)), owner[windows.start.values >= 0])
    if len(unseen):
        raise DataError(f"question {items[unseen[0]].get('id')!r}: the tokenizer finds no token in its context")


Chunking = Literal["concatenate", "line"]


@dataclass(frozen=True)
class Frame:
    """The special tokens before and after a text; `separator` goes between two texts of one chunk."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def separator(self) -> tuple[int, ...]:
        """Return the token that ends a text: RoBERTa's FULL-SENTENCES (Liu et al. 2019, section 4.2)."""
        return self.after[-1:]

    @property
    def width(self) -> int:
        """Return how many tokens of a chunk are not text."""
        return len(self.before) + len(self.after)


@dataclass(frozen=True)
class Chunks:
    """C chunks: their tokens, which of these are text (1) or special (0), and the text that each chunk begins in."""

    tokens: Ragged
    is_text: Ragged
    owner: NDArray[np.int32]


def frame_of(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """Return the special tokens that the tokenizer puts around a text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    tokens, special = encoded["input_ids"], np.array(encoded["special_tokens_mask"])
    text = np.flatnonzero(special == 0)
    return Frame(tuple(tokens[: text[0]]), tuple(tokens[text[-1] + 1 :]))


def chunked(texts: Sequence[Sequence[int]], frame: Frame, max_length: int, chunking: Chunking) -> Chunks:
    """Cut the tokens of texts into chunks of at most `max_length`, special tokens included; no token is left out.

    `concatenate` fills every chunk but the last, with a separator between two texts. `line` begins a new chunk with
    every text, and cuts a text that is longer than a chunk. A text without tokens gives no chunk.
    """
    room = max_length - frame.width
    if room < 1:
        raise ValueError(f"train.max_length {max_length} leaves no room beside {frame.width} special tokens")
    present = [(number, list(text)) for number, text in enumerate(texts) if len(text)]
    if chunking == "line":
        return _framed([_joined_texts([text], (), frame, room) for text in present])
    return _framed([_joined_texts(present, frame.separator, frame, room)])


@dataclass(frozen=True)
class _JoinedTexts:
    """Texts joined end to end, each token with the number of its text, and the frame and room of a chunk."""

    tokens: NDArray[np.int32]
    is_text: NDArray[np.int8]
    owner: NDArray[np.int32]
    frame: Frame
    room: int


def _joined_texts(
    texts: Sequence[tuple[int, list[int]]], separator: tuple[int, ...], frame: Frame, room: int
) -> _JoinedTexts:
    tokens: list[int] = []
    is_text: list[int] = []
    owner: list[int] = []
    for index, (number, text) in enumerate(texts):
        between = () if index == 0 else separator
        tokens += [*between, *text]
        is_text += [0] * len(between) + [1] * len(text)
        owner += [number] * (len(between) + len(text))
    arrays = np.array(tokens, np.int32), np.array(is_text, np.int8), np.array(owner, np.int32)
    return _JoinedTexts(*arrays, frame, room)


def _framed(streams: Sequence[_JoinedTexts]) -> Chunks:
    tokens: list[NDArray[np.int32]] = []
    is_text: list[NDArray[np.int8]] = []
    owner: list[int] = []
    for stream in streams:
        before, after = (np.array(side, np.int32) for side in (stream.frame.before, stream.frame.after))
        special = tuple(np.zeros(len(side), np.int8) for side in (before, after))
        for start in range(0, len(stream.tokens), stream.room):
            part = slice(start, start + stream.room)
            if not stream.is_text[part].any():
                continue  # nothing but a separator
            tokens.append(np.concatenate([before, stream.tokens[part], after]))
            is_text.append(np.concatenate([special[0], stream.is_text[part], special[1]]))
            owner.append(int(stream.owner[start]))
    return Chunks(
        Ragged.from_rows(tokens, np.int32), Ragged.from_rows(is_text, np.int8), np.array(owner, dtype=np.int32)
    )
