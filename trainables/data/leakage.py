"""Finds evaluation items that a model has seen in training: the same input, nearly the same, or the same cluster.

An item's content is what a model is given of it, the task's own input fields, with every run of white space as one
space. Two contents are nearly the same if they differ only in case, punctuation, symbols or numbers.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trainables.data.clusters import cluster_numbers
from trainables.data.dataset import Item
from trainables.data.splits import Split
from trainables.data.stratification import Indices

GOLD = ("label", "labels", "answers")
"""Fields with the right answers, of tasks that do not name their own."""
FEWEST_WORDS, FEWEST_LETTERS = 3, 10
"""An item with less of both is short: by chance alone, such texts occur again and again."""
_NOT_CONTENT = ("id", "idx", "cluster")
_OPTIONAL = ("text_pair",)


@dataclass(frozen=True)
class Overlap:
    """How many evaluation items are not new.

    `duplicates`       same content as a training item
    `near_duplicates`  nearly the same as a training item, and not a duplicate
    `short_duplicates` both kinds among short items, which are not counted above
    `repeated`         same content as an earlier item of the same evaluation part
    `known_clusters`   in a cluster that training items are in
    """

    duplicates: int = 0
    near_duplicates: int = 0
    short_duplicates: int = 0
    repeated: int = 0
    known_clusters: int = 0

    def worst(self, other: Overlap) -> Overlap:
        """Return the larger of each two numbers."""
        return Overlap(*(max(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Contents:
    """What is compared between items, as numbers: equal numbers are equal contents (or nearly equal, or clusters).

    `is_short` [N] marks items that are too short for a repeat to say anything; none, if most items are that short.
    """

    exact: Indices
    near: Indices
    cluster: Indices
    is_short: NDArray[np.bool_]

    @staticmethod
    def of(items: Sequence[Item], fields: Collection[str], gold: Collection[str] = GOLD) -> Contents:
        """Return the contents of all items. `fields` are the task's, of which `gold` hold the right answers."""
        inputs = [name for name in fields if name not in gold]
        exact, near, short = _Numbers(), _Numbers(), []
        for item in items:
            texts = [_text(item[name]) for name in _compared(item, inputs, gold)]
            words = [_words(text) for text in texts]
            exact.add(texts)
            near.add(words)
            short.append(_is_short(" ".join(words)))
        is_short = np.array(short, dtype=bool)
        if is_short.mean() > 0.5:
            is_short[:] = False
        return Contents(exact.array(), near.array(), cluster_numbers(items, fields), is_short)

    def overlap(self, split: Split) -> Overlap:
        """Return what the evaluation items of a split share with its training items, and with each other."""
        evaluated = np.concatenate([split.validation, split.test])
        same, nearly = (np.isin(codes[evaluated], codes[split.train]) for codes in (self.exact, self.near))
        nearly |= same
        short = self.is_short[evaluated]
        parts = (split.validation, split.test)
        return Overlap(
            duplicates=int((same & ~short).sum()),
            near_duplicates=int((nearly & ~same & ~short).sum()),
            short_duplicates=int((nearly & short).sum()),
            repeated=sum(len(part) - len(np.unique(self.exact[part])) for part in parts),
            known_clusters=int(np.isin(self.cluster[evaluated], self.cluster[split.train]).sum()),
        )

    def first_duplicate(self, split: Split) -> tuple[int, int] | None:
        """Return the first evaluation item that `overlap` counts as a duplicate, and the training item that it is."""
        evaluated = np.concatenate([split.validation, split.test])
        same = np.isin(self.exact[evaluated], self.exact[split.train]) & ~self.is_short[evaluated]
        if not same.any():
            return None
        item = int(evaluated[np.argmax(same)])
        return item, int(split.train[np.argmax(self.exact[split.train] == self.exact[item])])


def exact_contents(items: Sequence[Item], fields: Collection[str], gold: Collection[str] = GOLD) -> Indices:
    """Return `Contents.exact` alone, [N]."""
    inputs = [name for name in fields if name not in gold]
    exact = _Numbers()
    for item in items:
        exact.add([_text(item[name]) for name in _compared(item, inputs, gold)])
    return exact.array()


class _Numbers:
    """Gives equal lists of texts equal numbers."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._given: list[int] = []

    def add(self, texts: Sequence[str]) -> None:
        content = json.dumps(texts).encode()
        key = hashlib.blake2b(content, digest_size=16).digest()
        self._given.append(self._known.setdefault(key, len(self._known)))

    def array(self) -> Indices:
        return np.array(self._given, dtype=np.int64)


def _compared(item: Item, inputs: Sequence[str], gold: Collection[str]) -> list[str]:
    """Return the fields that are compared; of a task without input fields, all but ids and right answers."""
    if not inputs:
        return sorted(name for name in item if name not in (*_NOT_CONTENT, *gold))
    optional = [name for name in _OPTIONAL if name not in inputs and item.get(name) is not None]
    return [name for name in (*inputs, *optional) if name in item]


def _text(value: object) -> str:
    """Return a value as one line: words in a list are joined, and values that are not text are written as JSON."""
    if isinstance(value, str):
        return _one_line(value)
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return _one_line(" ".join(value))
    return json.dumps(value, sort_keys=True, default=str)


@lru_cache(maxsize=4096)
def _one_line(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def _words(text: str) -> str:
    """Return the words in one case, without numbers; whatever is no letter, mark, digit or picture separates words."""
    words = unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS).split()
    return " ".join(word for word in words if not word.isnumeric())


class _Letters(dict[int, int]):
    """What `str.translate` replaces: a character that is no letter, mark, digit or picture becomes a space."""

    def __missing__(self, code: int) -> int:
        category = unicodedata.category(chr(code))
        self[code] = code if category[0] in "LMN" or category == "So" else ord(" ")
        return self[code]


_LETTERS: Mapping[int, int] = _Letters()


def _is_short(words: str) -> bool:
    return words.count(" ") + bool(words) < FEWEST_WORDS and len(words.replace(" ", "")) < FEWEST_LETTERS
