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
    """What a reader makes of a file: items in order and, where the source has its own split, item indices per part.

    `notes` are remarks on this copy of the data that every report must repeat.
    """

    items: list[Item]
    parts: Parts | None = None
    notes: tuple[str, ...] = ()


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


def unchanged(item: Item) -> Item:
    """The item of a hub row whose columns are the task's fields already."""
    return item


@dataclass(frozen=True)
class HeldOut:
    """A test part in files of its own, which a study that reports validation scores leaves alone.

    `read` gets the folder that holds `files`. `by_default` says whether it is read unless `data.test` is false.
    """

    files: tuple[str, ...]
    read: Callable[[Path], list[Item]]
    by_default: bool = False


@dataclass(frozen=True)
class HubSource:
    """Where on the hub a data set also lies: `id` is `owner/name` or `owner/name:configuration`.

    `columns`  field of the task -> column there
    `splits`   the hub's splits that are read; None: all of them
    `item`     turns a row, with its columns renamed and class indices named, into the item that local files give
    """

    id: str
    revision: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[str, ...] | None = None
    item: Callable[[Item], Item] = unchanged


@dataclass(frozen=True)
class Dataset:
    """One named data set: which files it needs and how they become items.

    `read` gets the folder that holds `files`, or the file where there is only one. Under the data root the folder has
    the data set's name or one of `aliases`; a bundled data set names the `folder` it comes in; `hub` is where else the
    data may come from.
    """

    name: str
    description: str
    task: str
    licence: str
    files: tuple[str, ...]
    read: Callable[[Path], Reading]
    folder: Path | None = None
    aliases: tuple[str, ...] = ()
    test: HeldOut | None = None
    hub: HubSource | None = None
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def bundled(self) -> bool:
        """Whether the files come with the package, so that no download is needed."""
        return self.folder is not None

    def files_for(self, test: bool | None) -> tuple[str, ...]:
        """The files that are read: with those of the test part where it is asked for."""
        return (*self.files, *(self.test.files if self.test and self.with_test(test) else ()))

    def with_test(self, asked: bool | None) -> bool:
        """Whether a test part with files of its own is read."""
        return self.test is not None and (self.test.by_default if asked is None else asked)
