"""Reads JSON and JSON lines, one value at a time where it can, so that an error can name its row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions, Row
from trainables.data.readers.json_shapes import rows_of
from trainables.data.readers.text import lines, whole


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number; write null where a value is missing")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError for a key that occurs twice, of which JSON would keep the last."""
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice in one object")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object_of)


def read_jsonl(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the object of each line; empty lines are left out. A file that is one JSON list is read as that."""
    rows = _line_rows if _is_lines(path, options) else _whole_rows
    return rows(path, options, how)


def read_json(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the objects of a JSON file: a list of them, or one of the forms of `json_shapes.py`, or JSON lines."""
    return _whole_rows(path, options, how)


def _is_lines(path: Path, options: ReadOptions) -> bool:
    """Return whether each line holds a value, not all of them together one: the first two lines decide."""
    numbered = lines(path, options, HowRead(str(path)))
    filled = (line.strip() for _, line in numbered if line.strip())
    first, second = next(filled, ""), next(filled, None)
    try:
        value, end = _DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return second is not None and second.startswith("{") and first.startswith("{") and first != "{"
    is_row = not isinstance(value, list) or value[:1] == [] or isinstance(value[0], str)
    return is_row or second is not None or end < len(first)


def _line_rows(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    for number, line in lines(path, options, how):
        text = line.strip()
        if not text:
            continue
        value, end = _parse(path, number, text, 0)
        if text[end:].strip():
            raise DataError(
                f"{path}: row {number}: something follows the object (character {end + 1}); write one object per line"
            )
        yield number, _object(path, number, value)


def _whole_rows(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    text = whole(path, options, how)
    position = _skip_blank(text, 0)
    if position == len(text):
        return
    if text[position] == "[":
        yield from _elements(path, text, position)
        return
    value, end = _parse(path, 1, text, position)
    end = _skip_blank(text, end)
    if end == len(text):
        yield from rows_of(path, value, options, how)
    elif text[end] == "{" and isinstance(value, dict):
        how.remarks.append("the file holds JSON objects one after another, not a list")
        yield from _sequence(path, text, position)
    else:
        row = text.count("\n", 0, end) + 1
        raise DataError(
            f"{path}: row {row}: something follows the end of the first value; "
            "give one list of objects, or one object per line"
        )


def _sequence(path: Path, text: str, position: int) -> Iterator[Row]:
    """Yield objects that follow one another, each numbered by the line that it begins in."""
    number, counted = 1, 0
    while position < len(text):
        number, counted = number + text.count("\n", counted, position), position
        value, position = _parse(path, number, text, position)
        yield number, _object(path, number, value)
        position = _skip_blank(text, position)


def _elements(path: Path, text: str, start: int) -> Iterator[Row]:
    """Yield the elements of the list that begins at `start`."""
    position, number = _skip_blank(text, start + 1), 1
    while text[position : position + 1] != "]":
        value, position = _parse(path, number, text, position)
        yield number, _object(path, number, value)
        position = _skip_blank(text, position)
        following = text[position : position + 1]
        if following not in (",", "]") or not following:
            cut = "" if following else "; the file is cut short"
            raise DataError(f"{path}: row {number}: expected ',' or ']' after it (character {position}){cut}")
        if following == ",":
            position, number = _skip_blank(text, position + 1), number + 1
    if text[position + 1 :].strip():
        raise DataError(f"{path}: row {number}: something follows the end of the list (character {position + 1})")


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _parse(path: Path, number: int, text: str, position: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        cut = "; the file is cut short" if error.pos >= len(text.rstrip()) else ""
        raise DataError(f"{path}: row {number}: broken JSON: {error.msg} (character {error.pos + 1}){cut}") from error
    except ValueError as error:
        raise DataError(f"{path}: row {number}: broken JSON: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path}: row {number}: JSON is nested too deeply") from error


def _object(path: Path, number: int, value: Any) -> dict[str, Any]:
    """Return a row. A text with a dict of annotations beside it, as spaCy keeps them, is one too. Raises DataError."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
        return {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        raise DataError(
            f"{path}: row {number}: expected a JSON object, got {type(value).__name__}; "
            'give objects with a name for each value, such as {"text": "...", "label": "..."}'
        )
    return value
