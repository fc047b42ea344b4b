"""Turns one JSON object into rows: a list under a key, parts of a data set, and the tables that pandas writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HIDDEN_PART, HowRead, ReadOptions, Row

PARTS = frozenset({"train", "training", "validation", "valid", "val", "dev", "eval", "test"})


def rows_of(path: Path, value: Any, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of a document that is not a list, numbered from 1. Raises DataError for a form that is unclear."""
    if not isinstance(value, dict):
        raise DataError(f"{path}: row 1: a JSON file must hold one list of objects, got {type(value).__name__}")
    lists = {name: rows for name, rows in value.items() if _is_list_of_objects(rows)}
    if lists and {name.lower() for name in lists} <= PARTS:
        how.part = HIDDEN_PART
        how.remarks.append(f"the parts are {', '.join(f'{name} ({len(rows)} rows)' for name, rows in lists.items())}")
        rows = [{**row, HIDDEN_PART: name} for name, part in lists.items() for row in part]
    elif len(lists) > 1:
        raise DataError(
            f"{path}: row 1: the object holds several lists ({', '.join(lists)}), and it is unclear which are the "
            "items; put them into a file of their own"
        )
    elif lists:
        ((name, rows),) = lists.items()
        how.remarks.append(f"the items are the list under {name!r}")
    else:
        rows = _table(path, value, options, how)
    yield from enumerate(rows, start=1)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(path: Path, value: dict[str, Any], options: ReadOptions, how: HowRead) -> list[dict[str, Any]]:
    if isinstance(value.get("columns"), list) and _is_table(value.get("data"), len(value["columns"])):
        how.remarks.append("columns and data stand apart, as pandas writes a table (split)")
        return [dict(zip(value["columns"], row, strict=True)) for row in value["data"]]
    columns = list(value.values())
    if columns and all(isinstance(column, dict) and column for column in columns):
        return _nested(path, value, options, how)
    if (
        columns
        and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns)
        and columns[0]
    ):
        how.remarks.append("each key holds the list of a column")
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if options.fields and set(options.fields) <= {*value, *options.columns}:
        return [value]  # JSON lines of one line
    raise DataError(
        f"{path}: row 1: a JSON file must hold one list of objects, but this is one object with "
        f"{_shown(value)} (use jsonl for one object per line)"
    )


def _is_table(rows: Any, width: int) -> bool:
    return isinstance(rows, list) and all(isinstance(row, list) and len(row) == width for row in rows)


def _shown(value: Mapping[str, Any]) -> str:
    names = [repr(name) for name in list(value)[:5]]
    return ("the keys " + ", ".join(names) + ("" if len(value) <= len(names) else ", ...")) if names else "no keys"


def _columns_of(options: ReadOptions) -> Iterator[str]:
    for given in options.columns.values():
        yield from [str(given)] if isinstance(given, str | int) else map(str, given)


def _nested(path: Path, value: dict[str, Any], options: ReadOptions, how: HowRead) -> list[dict[str, Any]]:
    """Return the rows of an object of objects: by column and row, or by row and column."""
    inner = list(next(iter(value.values())))
    same = all(list(column) == inner for column in value.values())
    wanted = {*options.fields, *_columns_of(options)}
    by_column = same and (bool(wanted & set(value)) or (not wanted & set(inner) and all(map(str.isdecimal, inner))))
    if by_column:
        how.remarks.append("each key holds the values of a column, as pandas writes a table (columns)")
        return [{name: column[row] for name, column in value.items()} for row in inner]
    if wanted & {name for row in value.values() for name in row} or all(map(str.isdecimal, value)):
        how.remarks.append("each key holds a row")
        counted = list(value) == [str(number) for number in range(len(value))]
        return [row if counted or "id" in row else {"id": name, **row} for name, row in value.items()]
    names: Sequence[str] = list(value)[:3]
    raise DataError(
        f"{path}: row 1: a JSON file must hold one list of objects; this is an object of objects ({', '.join(names)}), "
        "and it is unclear whether its keys are columns or rows"
    )
