"""Defines a data set as declared and as read: items with ids, a fingerprint, and its own split if it has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainables.data.how_read import HowRead

Item = dict[str, Any]
Parts = Mapping[str, Sequence[int]]


class DataError(ValueError):
    """Data that cannot be used; the message gives the file, the row and the reason."""


@dataclass(frozen=True)
class Reading:
    """What a reader returns: items in order and, if the source has its own split, the item indices of each part.

    `notes` are remarks on this copy of the data that every report must repeat. `how` says how each file was read.
    """

    items: list[Item]
    parts: Parts | None = None
    notes: tuple[str, ...] = ()
    how: tuple[HowRead, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """A data set in memory.

    Each item has a unique `id` (str or int), the fields that its task needs, and possibly a `cluster` (the group that
    it shares with other items). `fingerprint` is the SHA-256 (hex) of the source's bytes and of the settings for
    reading it.
    `parts` maps "train", "validation", "test" to item indices. `notes` are remarks that every report must repeat, and
    `how` says how each file was read (empty for a data set with a reader of its own).
    """

    name: str
    items: list[Item]
    fingerprint: str
    parts: Parts | None = None
    notes: tuple[str, ...] = ()
    source: str = ""
    how: tuple[HowRead, ...] = ()

    def __len__(self) -> int:
        return len(self.items)


def unchanged(item: Item) -> Item:
    """Return a hub row as it is, because its columns already have the names of the task's fields."""
    return item


@dataclass(frozen=True)
class HeldOut:
    """A test part in files of its own, which stays unread in a study that reports validation scores.

    `read` takes the folder that holds `files`. With `by_default`, the part is read unless `data.test` is false.
    """

    files: tuple[str, ...]
    read: Callable[[Path], list[Item]]
    by_default: bool = False


@dataclass(frozen=True)
class HubSource:
    """Where to find a data set on the hub: `id` is `owner/name` or `owner/name:configuration`.

    `columns`  field of the task -> column on the hub
    `splits`   the hub's splits to read; None: all of them
    `item`     turns a row, with its columns renamed and class indices named, into the same item as local files give
    """

    id: str
    revision: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[str, ...] | None = None
    item: Callable[[Item], Item] = unchanged


@dataclass(frozen=True)
class Dataset:
    """One named data set: which files it needs and how they become items.

    `read` takes the folder that holds `files`, or the file if there is only one. Under the data root, the folder has
    the data set's name or one of `aliases`. A bundled data set names the `folder` that it comes in. `hub` is another
    place to get the data from.
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
        """Return the files to read, including those of the test part if it is read."""
        return (*self.files, *(self.test.files if self.test and self.with_test(test) else ()))

    def with_test(self, asked: bool | None) -> bool:
        """Return whether a test part with files of its own is read."""
        return self.test is not None and (self.test.by_default if asked is None else asked)
