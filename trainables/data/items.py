"""Turns rows of a file into items: renames columns, brings fields into their form, and checks ids.

Several columns of 0 and 1 can become one field: the list of the columns that hold 1.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item
from trainables.data.how_read import Column, Columns, HowRead, ReadOptions, Row
from trainables.data.labels import are_vectors, class_of, is_one, label_list, separator_notes, separator_of
from trainables.data.readers import read_rows
from trainables.data.words import word_items

_OWN_COLUMNS = ("conll", "conllu")  # formats whose reader takes `columns` itself


def read_items(path: Path, format: str | None = None, columns: Columns | None = None) -> list[Item]:
    """Return the items of a file. `columns` maps a field of the task to its column, or to several columns of 0 and 1.

    Each row is an item, unless `words` holds single words: then adjacent rows with the same `sentence_id` (or `id`)
    form an item. An item without an id gets its row number. Raises DataError with file, row and reason.
    """
    return items_of(path, ReadOptions(format=format, columns=columns or {}), HowRead(str(path)))


def items_of(path: Path, options: ReadOptions, how: HowRead) -> list[Item]:
    """Return the items of a file, read as `options` say; `how` gets what was recognised. Raises DataError."""
    rows = read_rows(path, options=options, how=how)
    if how.format not in _OWN_COLUMNS:
        rows = _renamed(path, rows, options.columns, how)
    with collector_paused():
        items = [item for _, item in _unique(path, _shaped(path, rows, options, how))]
    if not items:
        raise DataError(f"{path}: the file holds no items")
    _describe_columns(items[0], options, how)
    return items


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's search for garbage: it would look through millions of new rows again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def mapped(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return the fields that `columns` maps: the value of a column, or the list of the columns that hold 1.

    A number is the position of a column, from 1; -1 is the last. Raises ValueError for a column that the row does not
    have, and where `marked` does.
    """
    names = list(row)
    return {
        field: row[_named(given, names)]
        if isinstance(given, str | int)
        else marked(row, [_named(column, names) for column in given])
        for field, given in columns.items()
    }


def _named(column: Column, names: list[str]) -> str:
    if column in names:
        return str(column)
    if isinstance(column, int) and 1 <= abs(column) <= len(names):
        return names[column - 1 if column > 0 else column]
    raise ValueError(f"no column {column!r}; there are: {', '.join(map(str, names))}")


def sources(columns: Columns) -> list[Column]:
    """Return every column that a field is made from."""
    return [column for given in columns.values() for column in ([given] if isinstance(given, str | int) else given)]


def marked(row: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Return the columns that hold 1, in any writing (`is_one`), in order. Raises ValueError for other values."""
    chosen = []
    for column in columns:
        try:
            chosen += [column] if is_one(row[column]) else []
        except ValueError as error:
            raise ValueError(f"{column} {error}") from error
    return chosen


def _renamed(path: Path, rows: Iterable[Row], columns: Columns, how: HowRead) -> Iterator[Row]:
    gone: set[str] | None = None
    for number, row in rows:
        try:
            fields = mapped(row, columns)
        except ValueError as error:
            raise DataError(f"{path}: row {number}: {error}") from error
        if gone is None:
            gone = {*(_named(column, list(row)) for column in sources(columns)), *columns} - {how.part or ""}
        yield number, {**{name: value for name, value in row.items() if name not in gone}, **fields}


def _shaped(path: Path, rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows with every field in the form that tasks take."""
    fields = options.fields
    if not fields or "words" in fields:
        return word_items(path, rows, options, how)
    if "labels" in fields:
        return _with_label_lists(path, rows, options, how)
    if "label" in fields:
        return ((number, {**row, "label": class_of(_own(row, "label", "labels"))}) for number, row in rows)
    return rows


def _own(row: Item, field: str, other: str) -> Any:
    """Return a field, or the one that has the same meaning under the other number."""
    return row[field] if field in row else row.get(other)


def _with_label_lists(path: Path, rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows with `labels` as lists; the whole column decides what separates labels in one text."""
    table = list(rows)
    cells = [_own(row, "labels", "label") for _, row in table]
    names = options.label_names if are_vectors(cells, options.label_names) else None
    separator = None if names else separator_of(cells)
    how.remarks += separator_notes(cells, separator)
    for (number, row), cell in zip(table, cells, strict=True):
        try:
            labels = label_list(cell, names, separator)
        except ValueError as error:
            raise DataError(f"{path}: row {number}: {error}") from error
        yield number, {**row, "labels": labels}


def _describe_columns(item: Item, options: ReadOptions, how: HowRead) -> None:
    for field in (*options.fields, "text_pair", "cluster"):
        if field in item and field not in how.columns:
            given = options.columns.get(field, field)
            how.columns[field] = str(given) if isinstance(given, str | int) else ", ".join(map(str, given))


def _unique(path: Path, items: Iterable[Row]) -> Iterator[Row]:
    seen: dict[str, int] = {}
    for number, item in items:
        item.setdefault("id", number)
        identity = item["id"]
        if isinstance(identity, bool) or not isinstance(identity, int | str) or identity == "":
            raise DataError(f"{path}: row {number}: an id must be text or a whole number, got {identity!r}")
        if str(identity) in seen:
            raise DataError(f"{path}: row {number}: the id {identity!r} was already used at row {seen[str(identity)]}")
        seen[str(identity)] = number
        yield number, item
