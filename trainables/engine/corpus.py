"""What a data set is once read: items with ids, their content's fingerprint and, where it has one, its own split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Item = dict[str, Any]
Parts = Mapping[str, Sequence[int]]


class DataError(ValueError):
    """Data that cannot be used: the message says in which file, at which row, and why."""


@dataclass(frozen=True)
class Reading:
    """What a reader makes of a file: items in order and, where the source has its own split, item indices per part."""

    items: list[Item]
    parts: Parts | None = None


@dataclass(frozen=True)
class Corpus:
    """A data set in memory.

    Each item has a unique `id` (str or int), the fields its task needs, and maybe a `cluster` (what items share).
    `fingerprint` is the SHA-256 (hex) of the source's bytes and of the settings it was read with.
    `parts` maps "train", "validation", "test" to item indices. `notes` are remarks that every report must repeat.
    """

    name: str
    items: list[Item]
    fingerprint: str
    parts: Parts | None = None
    notes: tuple[str, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Dataset:
    """One named data set: which files it needs and how they become items.

    `read` gets the folder that holds `files`, or one of them. A bundled data set names the `folder` it comes in; `hub`
    is where else the data may come from, with `columns` (field of the task -> column there).
    """

    name: str
    description: str
    task: str
    licence: str
    files: tuple[str, ...]
    read: Callable[[Path], Reading]
    folder: Path | None = None
    hub: str | None = None
    revision: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def bundled(self) -> bool:
        """Whether the files come with the package, so that no download is needed."""
        return self.folder is not None
