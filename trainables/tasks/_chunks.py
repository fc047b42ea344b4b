"""Running text cut into equally long chunks of pieces, each with the special pieces its model expects around a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from trainables.data.features import Ragged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

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
