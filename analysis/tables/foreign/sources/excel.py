"""Reads the sheet of an Excel file that holds runs, through openpyxl, which the extra `excel` installs."""

from __future__ import annotations

import datetime
import io
import zipfile
from typing import Any

import pandas as pd

from analysis.tables.foreign import vocabulary
from analysis.tables.foreign.table import Refused, Table, as_text, listed, plain_name


def read_excel(data: bytes, label: str) -> list[Table]:
    """Return one table: the only sheet that is not empty, or several with the same header, one below the other.

    Where no column is the system, the name of each of several sheets is. Raises Refused for another kind of file,
    formulas whose result was not saved, and sheets that differ.
    """
    values, formulas = _workbook(data, label, data_only=True), _workbook(data, label, data_only=False)
    tables = {}
    for name, rows in values.items():
        _refuse_unsaved(rows, formulas[name], f"{label}: sheet {name!r}")
        cells = _cells(rows, f"{label}: sheet {name!r}")
        if cells is not None:
            tables[name] = cells
    if not tables:
        raise Refused(f"{label}: holds no runs: every sheet is empty")
    if len(tables) == 1:
        name, cells = next(iter(tables.items()))
        return [Table(label, cells, kind="an Excel sheet")]
    if len({tuple(cells.columns) for cells in tables.values()}) > 1:
        raise Refused(
            f"{label}: has sheets with different columns ({listed(list(tables))}); keep the one with the runs, or save "
            "it as CSV"
        )
    has_system = any(plain_name(name) in vocabulary.SYSTEM for name in next(iter(tables.values())).columns)
    named = [cells if has_system else cells.assign(system=name) for name, cells in tables.items()]
    note = f"{label}: the sheets {listed(list(tables))} are read together"
    return [Table(label, pd.concat(named, ignore_index=True), (note,), kind="Excel sheets")]


def _workbook(data: bytes, label: str, *, data_only: bool) -> dict[str, list[list[Any]]]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise Refused(
            f"{label}: an Excel file is read with openpyxl, which is not installed; save the sheet as CSV, or: pip "
            "install openpyxl"
        ) from None
    try:
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=data_only)
        return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in workbook.worksheets}
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise Refused(f"{label}: is not an Excel file that can be read ({error}); save the sheet as CSV") from None


def _refuse_unsaved(values: list[list[Any]], formulas: list[list[Any]], label: str) -> None:
    for number, (own, written) in enumerate(zip(values, formulas, strict=False), start=1):
        if any(
            cell is None and isinstance(text, str) and text.startswith("=")
            for cell, text in zip(own, written, strict=False)
        ):
            raise Refused(
                f"{label}: row {number} has a formula whose result was not saved; open the file in a spreadsheet and "
                "save it, or save the sheet as CSV"
            )


def _cells(rows: list[list[Any]], label: str) -> pd.DataFrame | None:
    """Return the cells as text under the first row; None for a sheet with nothing below a header."""
    filled = [row for row in rows if any(cell is not None for cell in row)]
    if len(filled) < 2:
        return None
    width = max(number for row in filled for number, cell in enumerate(row, start=1) if cell is not None)
    header = [_text(cell) or "" for cell in (filled[0] + [None] * width)[:width]]
    repeated = {name for name in header if name and header.count(name) > 1}
    if repeated:
        raise Refused(f"{label}: has two columns called {min(repeated)!r}; rename one of them")
    names = [name.strip() or f"column ({number})" for number, name in enumerate(header, start=1)]
    body = [[_text(cell) for cell in (row + [None] * width)[:width]] for row in filled[1:]]
    return pd.DataFrame(body, columns=pd.Index(names, dtype=object), dtype=object)


def _text(cell: Any) -> str | None:
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return as_text(cell) or None
