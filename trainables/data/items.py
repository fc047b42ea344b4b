"""Turns rows of a file into items: renames columns, brings fields into their form, and checks ids.

Several columns of 0 and 1 can become one field: the list of the columns that hold 1.
"""

from __future__ import annotations

import gc
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item
from trainables.data.forms.labels import are_vectors, class_of, is_one, label_list, separator_notes, separator_of
from trainables.data.forms.questions import question_items
from trainables.data.forms.span_forms import UNDERSTOOD
from trainables.data.forms.spans import has_spans, span_items
from trainables.data.forms.words import word_items
from trainables.data.how_read import HIDDEN_PART, LEFT_OUT, Column, Columns, HowRead, ReadOptions, Row
from trainables.data.readers import read_rows

_HALF = re.compile("[\ud800-\udfff]")
_OWN_COLUMNS = ("conll", "conllu")  # formats whose reader takes `columns` itself


def read_items(path: Path, format: str | None = None, columns: Columns | None = None) -> list[Item]:
    """Return the items of a file. `columns` maps a field of the task to its column, or to several columns of 0 and 1.

    Each row is an item, unless `words` holds single words: then adjacent rows with the same `sentence_id` (or `id`)
    form an item. An item without an id gets its row number. Raises DataError with file, row and reason.
    """
    return items_of(path, ReadOptions(format=format, columns=columns or {}), HowRead(str(path)))


def items_of(path: Path, options: ReadOptions, how: HowRead) -> list[Item]:
    """Return the items of a file, read as `options` say; `how` gets what was recognised. Raises DataError.

    If rows name their parts, the name is in the items' field HIDDEN_PART, and `how.part` says so.
    """
    rows = read_rows(path, options=options, how=how)
    columns = options.columns
    if options.part is not None:
        columns = {**columns, HIDDEN_PART: options.part}
        rows = _with_part(path, rows, options.part, how)
    if how.format not in _OWN_COLUMNS:
        rows = _renamed(path, rows, columns, how)
    with collector_paused():
        names: dict[str, None] = {}
        items = [item for _, item in _unique(path, _shaped(path, _noted(rows, names), options, how), options, how)]
    if not items:
        raise DataError(f"{path}: the file holds no items")
    _require_fields(path, items, list(names), options, how)
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
    raise ValueError(f"no column {column!r}; there are: {_listed(names)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(str(name) for name in names if not str(name).startswith(LEFT_OUT))


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
            raise DataError(f"{path}: row {number}: {error}{_other_reading(list(row), how)}") from error
        if gone is None:
            left_out = {name for name in row if name.startswith(LEFT_OUT) and name != HIDDEN_PART}
            gone = {*(_named(column, list(row)) for column in sources(columns)), *columns, *left_out} - {how.part or ""}
        yield number, {**{name: value for name, value in row.items() if name not in gone}, **fields}


def _with_part(path: Path, rows: Iterable[Row], column: Column, how: HowRead) -> Iterator[Row]:
    """Check that rows can name their part in the column that the user says; `_renamed` moves it to HIDDEN_PART."""
    if how.format in _OWN_COLUMNS:
        raise DataError(f"data.split_column: {path} is read as {how.format}, which has no column {column!r}")
    how.part = HIDDEN_PART
    how.remarks.append(f"column {column!r} names the part of each row")
    for number, row in rows:
        if HIDDEN_PART in row:
            raise DataError(f"data.split_column: {path} has parts of its own; remove the key")
        yield number, row


def _shaped(path: Path, rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows with every field in the form that tasks take."""
    fields = options.fields
    if "question" in fields:
        return question_items(path, rows, options, how)
    if not fields or "words" in fields:
        return _word_items(path, rows, options, how)
    if "labels" in fields:
        return _with_label_lists(path, _accepted(rows, options, how), options, how)
    if "label" in fields:
        rows = _accepted(rows, options, how)
        return ((number, {**row, "label": class_of(_own(row, "label", "labels"))}) for number, row in rows)
    return rows


def _word_items(path: Path, rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield items with words: from spans if the task needs words and the rows are texts with spans."""
    first = next(rows, None)
    if first is None:
        return
    rows = itertools.chain([first], rows)
    if "words" in options.fields and "words" not in first[1]:
        table = list(rows)
        if has_spans(table):
            yield from span_items(path, table, options, how)
            return
        rows = iter(table)
        if not any("words" in row for _, row in table):
            yield from rows
            return
    yield from word_items(path, rows, options, how)


_DECISIONS = {"accept", "reject", "ignore"}  # of an annotator, in Prodigy's column `answer`


def _accepted(rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows but those that an annotator rejected or ignored, if a column of the file says so of each."""
    first = next(rows, None)
    if first is None:
        return
    rows = itertools.chain([first], rows)
    if str(first[1].get("answer")) not in _DECISIONS or "answer" in sources(options.columns):
        yield from rows
        return
    table = list(rows)
    decided = all(str(row.get("answer")) in _DECISIONS for _, row in table)
    accepted = [(number, row) for number, row in table if row["answer"] == "accept"] if decided else table
    if len(accepted) < len(table):
        how.changed = True
        count = len(table) - len(accepted)
        texts = "text is" if count == 1 else "texts are"
        how.notes.append(f"{count} {texts} left out: rejected or ignored by the annotator (answer)")
    yield from accepted


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


def _noted(rows: Iterable[Row], names: dict[str, None]) -> Iterator[Row]:
    """Yield the rows, and note the names of their columns."""
    for number, row in rows:
        if row.keys() - names.keys():
            names.update(dict.fromkeys(row))
        yield number, row


def _require_fields(
    path: Path, items: Sequence[Item], names: Sequence[str], options: ReadOptions, how: HowRead
) -> None:
    """Raise DataError for a field that no item has and no column, with the columns and why they may be others."""
    learns = bool({"label", "labels", "answers"} & set(options.fields))
    for field in options.fields:
        instead = field if learns else _INSTEAD.get(field, field)
        other = _SAME.get(field, field) if "words" not in options.fields else field
        if {field, instead, other} & set(names) or any(item.get(field) is not None for item in items):
            continue
        similar = get_close_matches(field, [name.lower() for name in names], 1)
        example = next((repr(name) for name in names if name.lower() in similar), "COLUMN")
        example = "2" if how.header is False else example
        raise DataError(
            f"{path}: there is no column {field!r}; there are: {_listed(names)}; name the column, "
            f"e.g. `data: {{columns: {{{field}: {example}}}}}`{_other_reading(names, how, field == 'words')}"
            f"{_spans_advice(field, names)}"
        )


_SAME = {"label": "labels", "labels": "label"}
_INSTEAD = {"words": "text", "question": "text"}  # what a task that only predicts takes where these are missing


def _other_reading(names: Sequence[str], how: HowRead, is_words: bool = False) -> str:
    """Return why a file may have other columns than it seems: its first row is an item, or another delimiter."""
    if how.format == "text":
        return "; a text file has one text per line: for a table set data.format to csv or tsv, for words to conll"
    if how.format in ("csv", "tsv") and how.header and is_words:
        return "; if each line is a word with its label, set `data: {format: conll}`"
    if how.format not in ("csv", "tsv") or not how.header:
        return ""
    shown = [name for name in names if not name.startswith(LEFT_OUT)]
    if len(shown) <= 1:
        return "; if something else separates the cells, set data.delimiter"
    return "; if the first row is an item and not a header, set `data: {header: false}`"


def _spans_advice(field: str, names: Sequence[str]) -> str:
    if field not in ("words", "labels") or "text" not in names:
        return ""
    return f"; a text needs words, or spans, none of which were recognised: {UNDERSTOOD}"


def _describe_columns(item: Item, options: ReadOptions, how: HowRead) -> None:
    for field in (*options.fields, "text_pair", "cluster"):
        if field in item and field not in how.columns:
            given = options.columns.get(field, field)
            how.columns[field] = str(given) if isinstance(given, str | int) else ", ".join(map(str, given))


def _unique(path: Path, items: Iterable[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Number the items without an id, and refuse an id that another item of the same part has."""
    fields = {*options.fields, "text_pair", "id", "cluster"} if how.format in ("json", "jsonl") else ()
    seen: dict[tuple[Any, str], int] = {}
    for number, item in items:
        item.setdefault("id", number)
        identity = item["id"]
        if isinstance(identity, bool) or not isinstance(identity, int | str) or identity == "":
            raise DataError(f"{path}: row {number}: an id must be text or a whole number, got {identity!r}")
        key = (item.get(HIDDEN_PART), str(identity))
        if key in seen:
            raise DataError(
                f"{path}: row {number}: the id {identity!r} was already used at row {seen[key]}; "
                f"{_same_id_advice(options)}"
            )
        seen[key] = number
        for field in fields:
            _require_characters(path, number, field, item.get(field))
        yield number, item


def _require_characters(path: Path, number: int, field: str, value: Any) -> None:
    """Raise DataError for half a character, which only JSON can hold (`\\ud83d`) and no tokenizer takes."""
    for text in value if isinstance(value, list) else (value,):
        if isinstance(text, str) and not text.isascii() and _HALF.search(text):
            half = f"\\u{ord(_HALF.findall(text)[0]):04x}"
            raise DataError(
                f"{path}: row {number}: {field} holds half a character ({half}), as where a text was cut within an "
                "emoji; remove it"
            )


def _same_id_advice(options: ReadOptions) -> str:
    if "words" in options.fields:
        return "put the rows of a sentence one below the other, or give each sentence an id of its own"
    if "question" in options.fields:
        return "give each question an id of its own, or remove one of them"
    column = options.columns.get("id", "id")
    return (
        "remove one of them, or, if they are different items that belong together, "
        f"read the column as their cluster: `data: {{columns: {{cluster: {column}}}}}`"
    )
