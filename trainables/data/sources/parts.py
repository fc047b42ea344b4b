"""Reads the items of several files, and of rows that name their own part, as one pool with the items of each part.

Ids are unique in the pool: where files or parts use the same ids, each id gets its part (or the file's name) in front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item, Reading
from trainables.data.how_read import HIDDEN_PART, HowRead, ReadOptions
from trainables.data.items import items_of
from trainables.data.items import sources as sources_of
from trainables.data.sources.part_names import KNOWN, PARTS, TEST, TRAIN, parts_of

_GOLD = ("label", "labels", "answers")  # the fields that a test part without labels lacks
_HIDDEN = ("", "-1", "?")
_SHOWN = 5


@dataclass(frozen=True)
class SourceFile:
    """One file of several: its part (None: a file of a pool), and the name that tells it from the others."""

    path: Path
    part: str | None
    name: str


@dataclass(frozen=True)
class SourceFiles:
    """The files of a data set, in the order in which they are read. `folder`: where their names told their parts."""

    files: tuple[SourceFile, ...]
    folder: Path | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the folder, or the first file and how many there are."""
        if self.folder is not None:
            return str(self.folder)
        first, *more = self.files
        return f"{first.path} and {len(more)} more files" if more else str(first.path)

    def prefix(self, file: SourceFile) -> str:
        """Return what tells the ids of this file from those of the others."""
        alone = file.part is not None and sum(other.part == file.part for other in self.files) == 1
        return "/".join(name for name in (file.part, None if alone else file.name) if name is not None)


def read_one(path: Path, options: ReadOptions, test: bool | None) -> Reading:
    """Return the items of one file, and its parts if its rows name them; for `test` see `read_files`."""
    how = HowRead(str(path))
    pool = _Pool(options, test)
    pool.add(items_of(path, options, how), how, None, "")
    return pool.reading(str(path))


def read_files(sources: SourceFiles, options: ReadOptions, test: bool | None) -> Reading:
    """Return the items of all files. A test file without labels is refused, or left out if only its name named it.

    `test` is `data.test` as far as it is no file: false means that nobody needs the test part. Raises DataError.
    """
    pool, notes = _Pool(options, test), list(sources.notes)
    for file in sources.files:
        how = HowRead(str(file.path))
        items = _items_of(file, options, how)
        if file.part == TEST and _without_labels(items, options.fields):
            if sources.folder is None or test:
                raise DataError(f"{file.path}: the test file has no labels: leave data.test out")
            notes.append(f"{file.path.name} has no labels and is left out")
            continue
        if file.part is not None and how.part is not None:
            raise DataError(
                f"{file.path}: holds parts of its own, so it cannot be data.{file.part}; give it as data.path"
            )
        notes += [f"{file.name}: {note}" for note in how.notes]
        pool.add(items, how, file.part, sources.prefix(file))
    reading = pool.reading(str(sources))
    return replace(reading, notes=tuple(notes))


def _items_of(file: SourceFile, options: ReadOptions, how: HowRead) -> list[Item]:
    """Return a file's items; of a test file that has no column of labels, without them."""
    try:
        return items_of(file.path, options, how)
    except DataError:
        unlabelled = _unlabelled(file.path, options) if file.part == TEST else None
        if unlabelled is None:
            raise
        return unlabelled


def _unlabelled(path: Path, options: ReadOptions) -> list[Item] | None:
    """Return the items of a file that can be read if no labels are asked for, and has none; else None."""
    columns = {name: column for name, column in options.columns.items() if name not in _GOLD}
    fields = tuple(name for name in options.fields if name not in _GOLD)
    named = {*_GOLD, *sources_of({name: column for name, column in options.columns.items() if name in _GOLD})}
    try:
        items = items_of(path, replace(options, columns=columns, fields=fields), HowRead(str(path)))
    except DataError:
        return None
    return None if any(named & {*item, *range(1, len(item) + 1)} for item in items) else items


def _without_labels(items: Sequence[Item], fields: Sequence[str]) -> bool:
    gold = [name for name in fields if name in _GOLD]
    return bool(gold) and all(_is_hidden(item.get(name)) for item in items for name in gold)


def _is_hidden(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_hidden(entry) for entry in value)
    return value is None or value != value or (isinstance(value, str | int) and str(value) in _HIDDEN)


@dataclass
class _Pool:
    """Items as they are collected, with a prefix of the id and the part of each."""

    options: ReadOptions
    test: bool | None
    items: list[Item] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    parts: list[str | None] = field(default_factory=list)
    how: list[HowRead] = field(default_factory=list)

    def add(self, items: list[Item], how: HowRead, part: str | None, prefix: str) -> None:
        """Add the items of a file, which are of `part` or of the parts that they name themselves."""
        own = [part] * len(items) if how.part is None else _own_parts(items, how, self.options)
        for name in PARTS:
            of_part = [item for item, given in zip(items, own, strict=True) if given == name]
            if of_part and (name != TEST or self.test is not False):
                _require_labels(how.path, name, of_part, self.options.fields)
        if self.how:
            _compare(self.items[0], self.how[0], items[0], how)
        self.items += items
        self.parts += own
        self.prefixes += [_joined(prefix, given) for given in own] if how.part is not None else [prefix] * len(items)
        self.how.append(how)

    def reading(self, source: str) -> Reading:
        """Return all items, with ids that are unique among them. Raises DataError if none is to train on."""
        indices = {name: [row for row, part in enumerate(self.parts) if part == name] for name in PARTS}
        indices = {name: rows for name, rows in indices.items() if rows}
        if indices and TRAIN not in indices:
            raise DataError(f"{source}: there is no training part, only {' and '.join(indices)}")
        if not self.items:
            raise DataError(f"{source}: no items are left")
        if len({str(item["id"]) for item in self.items}) < len(self.items):
            pairs = zip(self.items, self.prefixes, strict=True)
            self.items = [{**item, "id": _joined(prefix, str(item["id"]))} for item, prefix in pairs]
        notes = tuple(note for how in self.how for note in how.notes)
        return Reading(self.items, indices if len(indices) > 1 else None, notes, tuple(self.how))


def _joined(prefix: str, name: str | None) -> str:
    return f"{prefix}/{name}" if prefix and name else prefix or name or ""


def _own_parts(items: Sequence[Item], how: HowRead, options: ReadOptions) -> list[str | None]:
    """Return the part of each item that names its part. Raises DataError for names that mean none."""
    written = ["" if (name := item.pop(HIDDEN_PART, None)) is None else str(name) for item in items]
    part_of = parts_of(written)
    unknown = Counter(name for name in written if part_of[name] is None)
    if unknown:
        shown = ", ".join(f"{name!r} ({count} items)" for name, count in unknown.most_common(_SHOWN))
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        where = "" if options.part is None else f"data.split_column: {options.part}: "
        raise DataError(f"{how.path}: {where}no part is called {shown}{more}; write {KNOWN}")
    return [part_of[name] for name in written]


def _require_labels(path: str, part: str, items: Sequence[Item], fields: Sequence[str]) -> None:
    if not _without_labels(items, fields):
        return
    gold = next(name for name in fields if name in _GOLD)
    remedy = "leave it out with `data: {test: false}`" if part == TEST else f"map a column to {gold} with data.columns"
    raise DataError(f"{path}: the {part} part has no labels: {remedy}")


def _compare(first: Item, first_how: HowRead, item: Item, how: HowRead) -> None:
    """Remark where the first items of two files have other fields."""
    lacking, added = [name for name in first if name not in item], [name for name in item if name not in first]
    if lacking or added:
        words = [f"without {', '.join(lacking)}"] * bool(lacking) + [f"with {', '.join(added)}"] * bool(added)
        how.remarks.append(f"its columns are not those of {Path(first_how.path).name}: {' and '.join(words)}")
