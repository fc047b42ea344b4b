"""CSV files that a spreadsheet opens as data: no cell of text can start a formula."""

from __future__ import annotations

from typing import Any

import pandas as pd

# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"); numbers keep their minus sign.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(frame: pd.DataFrame) -> bytes:
    """The frame as UTF-8 CSV; in columns that hold text, cells that would start a formula get a leading apostrophe."""
    safe = frame.apply(lambda column: column if _is_numeric(column) else column.map(_neutral))
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", "backslashreplace")


def _is_numeric(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _neutral(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
