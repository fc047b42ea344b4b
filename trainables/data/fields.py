"""Gives the columns of a file the names of a task's fields; several columns of 0 and 1 become one list of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

Columns = Mapping[str, str | Sequence[str]]


def mapped(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """The fields that `columns` maps: a column's value, or of several columns the list of those that hold 1.

    Raises ValueError for a column that the row does not have, and as `marked` does.
    """
    absent = next((column for column in sources(columns) if column not in row), None)
    if absent is not None:
        raise ValueError(f"no column {absent!r}; there are: {', '.join(map(str, row))}")
    return {field: row[column] if isinstance(column, str) else marked(row, column) for field, column in columns.items()}


def sources(columns: Columns) -> list[str]:
    """Every column that a field is made from."""
    return list(chain.from_iterable([column] if isinstance(column, str) else column for column in columns.values()))


def marked(row: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Those of the columns that hold 1 (or true), in order. Raises ValueError where one holds neither 1 nor 0."""
    columns = list(columns)
    wrong = next((column for column in columns if row[column] not in (0, 1, "0", "1")), None)
    if wrong is not None:
        raise ValueError(f"{wrong} must be 0 or 1, got {row[wrong]!r}")
    return [column for column in columns if row[column] in (1, "1")]
