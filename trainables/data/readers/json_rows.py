"""Reads JSON lists and JSON lines, one value at a time, so that an error can name its row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions, Row
from trainables.data.readers.text import lines, whole


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def read_jsonl(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the object of each line; empty lines are left out."""
    for number, line in lines(path, options, how):
        if line.strip():
            yield number, _object(path, number, _parse(path, number, line.strip(), 0)[0])


def read_json(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the elements of one JSON list."""
    text = whole(path, options, how)
    position = _skip_blank(text, 0)
    if text[position : position + 1] != "[":
        raise DataError(f"{path}: row 1: a JSON file must hold one list of objects (use jsonl for one object per line)")
    position, number = _skip_blank(text, position + 1), 1
    while text[position : position + 1] != "]":
        value, position = _parse(path, number, text, position)
        yield number, _object(path, number, value)
        position = _skip_blank(text, position)
        following = text[position : position + 1]
        if following not in (",", "]") or not following:
            raise DataError(f"{path}: row {number}: expected ',' or ']' after it (character {position})")
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
        raise DataError(f"{path}: row {number}: broken JSON: {error.msg} (character {error.pos + 1})") from error
    except ValueError as error:
        raise DataError(f"{path}: row {number}: broken JSON: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path}: row {number}: JSON is nested too deeply") from error


def _object(path: Path, number: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: row {number}: expected a JSON object, got {type(value).__name__}")
    return value
