"""Turns rows of a file into items: renames columns, joins word rows into sentences, and checks ids.

Several columns of 0 and 1 can become one field: the list of the columns that hold 1.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item
from trainables.data.readers import Row, read_rows

Columns = Mapping[str, str | Sequence[str]]

_SENTENCE = "sentence_id"


def read_items(path: Path, format: str | None = None, columns: Columns | None = None) -> list[Item]:
    """Return the items of a file. `columns` maps a field of the task to its column, or to several columns of 0 and 1.

    Each row is an item, unless `words` holds single words: then adjacent rows with the same `sentence_id` (or `id`)
    form an item. An item without an id gets its row number. Raises DataError with file, row and reason.
    """
    rows = _renamed(path, read_rows(path, format), columns or {})
    items = [item for _, item in _unique(path, _items(path, rows))]
    if not items:
        raise DataError(f"{path}: the file holds no items")
    return items


def mapped(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return the fields that `columns` maps: the value of a column, or the list of the columns that hold 1.

    Raises ValueError for a column that the row does not have, and where `marked` does.
    """
    absent = next((column for column in sources(columns) if column not in row), None)
    if absent is not None:
        raise ValueError(f"no column {absent!r}; there are: {', '.join(map(str, row))}")
    return {field: row[column] if isinstance(column, str) else marked(row, column) for field, column in columns.items()}


def sources(columns: Columns) -> list[str]:
    """Return every column that a field is made from."""
    return [column for given in columns.values() for column in ([given] if isinstance(given, str) else given)]


def marked(row: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Return the columns that hold 1 (or true), in order. Raises ValueError if one holds neither 1 nor 0."""
    columns = list(columns)
    wrong = next((column for column in columns if row[column] not in (0, 1, "0", "1")), None)
    if wrong is not None:
        raise ValueError(f"{wrong} must be 0 or 1, got {row[wrong]!r}")
    return [column for column in columns if row[column] in (1, "1")]


def _renamed(path: Path, rows: Iterable[Row], columns: Columns) -> Iterator[Row]:
    gone = {*sources(columns), *columns}
    for number, row in rows:
        try:
            fields = mapped(row, columns)
        except ValueError as error:
            raise DataError(f"{path}: row {number}: {error}") from error
        yield number, {**{name: value for name, value in row.items() if name not in gone}, **fields}


def _items(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    first = next(rows, None)
    if first is None:
        return
    rows = _chain(first, rows)
    key = "id" if "id" in first[1] else _SENTENCE
    if key in first[1] and _is_one_word(first[1].get("words")):
        yield from _sentences(path, rows, key)
        return
    for number, row in rows:
        yield number, {key: _listed(path, number, key, value) for key, value in row.items()}


def _is_one_word(words: Any) -> bool:
    """Return whether this is text and not a JSON list; no word row starts with a word that looks like such a list."""
    return isinstance(words, str) and not (words.startswith("[") and words.endswith("]") and len(words) > 1)


def _chain(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _listed(path: Path, number: int, field: str, value: Any) -> Any:
    """Parse the lists of a CSV file with one sentence per row, which are JSON inside a cell."""
    if field not in ("words", "labels") or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        reason = f"{field} must be a JSON list, or the file needs a {_SENTENCE} column and one word per row"
        raise DataError(f"{path}: row {number}: {reason}") from error


def _sentences(path: Path, rows: Iterable[Row], key: str) -> Iterator[Row]:
    for identity, group in itertools.groupby(rows, lambda row: row[1].get(key)):
        words = list(group)
        number, first = words[0]
        sentence: Item = {"id": identity}
        if first.get("cluster") is not None:
            sentence["cluster"] = first["cluster"]
        for field in ("words", "labels"):
            if field in first:
                sentence[field] = [_text(path, line, field, row.get(field)) for line, row in words]
        yield number, sentence


def _text(path: Path, number: int, field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"{path}: row {number}: {field} must be text, got {value!r}")
    return value


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
