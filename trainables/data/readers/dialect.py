"""Recognises how a table in a text file is written: what separates the cells, and whether quotes enclose them.

The whole file decides. A delimiter is right if it gives every row as many cells as the header has, and more than one.
In a file with tabs, quotes are text unless the file shows that a program has put cells in quotes: files of GLUE hold
quotes literally, also at the start of a cell, while pandas and spreadsheets enclose cells and double the quotes inside.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trainables.data.how_read import Quoting, ReadOptions
from trainables.data.readers.text import MAX_ROW_BYTES

DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # what Excel writes above a table to say its delimiter
_NUMBER = re.compile(r"[-+]?(\d[\d_.,]*|\.\d+)([eE][-+]?\d+)?%?")
Texts = Sequence[str]  # the lines of a file


@dataclass(frozen=True)
class Dialect:
    """How cells are separated and quoted. `skipped` lines stand above the table; `has_quotes`: quotes occur at all.

    `doubted`: quotes are read as text, although cells with doubled quotes look as if quotes enclosed them.
    """

    delimiter: str
    quoting: Quoting
    skipped: int = 0
    has_quotes: bool = False
    doubted: bool = False


def dialect_of(texts: Texts, usual: str, options: ReadOptions) -> Dialect:
    """Return how a table is written; `usual` is the delimiter that the file's name promises."""
    said = _SEPARATOR_LINE.fullmatch(texts[0].strip()) if texts else None
    skipped = int(said is not None)
    table = texts[skipped:] if skipped else texts
    delimiter = options.delimiter or (said[1] if said else _delimiter(table, usual, options.quoting))
    has_quotes = any('"' in text for text in table)
    quoting = options.quoting or _quoting(table, delimiter, options, has_quotes)
    doubted = has_quotes and quoting == "none" and options.quoting is None and _has_doubled(table, delimiter)
    return Dialect(delimiter, quoting, skipped, has_quotes, doubted)


def _has_doubled(texts: Texts, delimiter: str) -> bool:
    cells = (cell for text in texts if '""' in text for cell in text.split(delimiter))
    return any(_is_enclosed(cell) and '""' in cell[1:-1] for cell in cells)


def reader_of(texts: Iterable[str], delimiter: str, quoting: Quoting) -> Iterator[list[str]]:
    """Return Python's reader of the rows; a cell may be as long as any row."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))
    mode = csv.QUOTE_MINIMAL if quoting == "csv" else csv.QUOTE_NONE
    with_ends = (text + "\n" for text in texts)
    return csv.reader(with_ends, delimiter=delimiter, quoting=mode, strict=True)  # type: ignore[arg-type]


def is_blank(values: list[str]) -> bool:
    """Return whether a row is an empty line, or holds only white space and no second cell."""
    return not values or (len(values) == 1 and not values[0].strip())


def fits(values: list[str], width: int) -> bool:
    """Return whether a row has this many cells; more of them may follow if they are empty."""
    return len(values) >= width and not any(map(str.strip, values[width:]))


def _width(texts: Texts, delimiter: str, quoting: Quoting) -> int | None:
    """Return how many cells every row has; None if they differ or the quotes do not close. 0: there are no rows."""
    rows = (values for values in reader_of(texts, delimiter, quoting) if not is_blank(values))
    try:
        header = next(rows, None)
        if header is None:
            return 0
        names = _without_empty_end(header)
        width = len(names)
        first = next(rows, None)
        if first is not None and all(map(str.strip, names)) and _has_row_name(first, width):
            width += 1
        return width if first is None or (fits(first, width) and all(fits(row, width) for row in rows)) else None
    except csv.Error:
        return None


def _has_row_name(first: list[str], width: int) -> bool:
    """Return whether a row begins with a number that the header has no name for, as R writes the names of rows."""
    return width > 1 and len(first) == width + 1 and first[0].strip().isdecimal() and bool(first[-1].strip())


def _without_empty_end(header: list[str]) -> list[str]:
    while len(header) > 1 and not header[-1].strip():
        header = header[:-1]
    return header


def _delimiter(texts: Texts, usual: str, quoting: Quoting | None) -> str:
    """Return the usual delimiter, unless another one is right where it is not: then the one with the most cells."""
    if usual == "\t" and (_width(texts, usual, quoting or "none") or 0) > 1:
        return usual
    if (_width(texts, usual, quoting or "csv") or 0) > 1:
        return usual
    widths = {mark: _width(texts, mark, quoting or "csv") or 0 for mark in DELIMITERS if mark != usual}
    if quoting is None:
        widths = {mark: width or _width(texts, mark, "none") or 0 for mark, width in widths.items()}
    best = max(widths, key=lambda mark: widths[mark])
    return best if widths[best] > 1 else usual


def _quoting(texts: Texts, delimiter: str, options: ReadOptions, has_quotes: bool) -> Quoting:
    if not has_quotes:
        return "none" if delimiter == "\t" else "csv"
    if delimiter == ",":
        return "csv"
    if delimiter != "\t":
        return "none" if _width(texts, delimiter, "csv") is None and _width(texts, delimiter, "none") else "csv"
    if _width(texts, delimiter, "none") is not None:
        return _quoting_of_cells(texts, delimiter, options)
    return "csv" if _width(texts, delimiter, "csv") is not None else "none"


@dataclass
class _Cells:
    """What the cells of a file show about its quotes, where quotes do not change how many cells a row has."""

    doubled: bool = False  # an enclosed cell with doubled quotes inside
    all_text: bool = True  # every cell but numbers and empty ones is enclosed
    commas: bool = True  # the enclosed cells are those with a comma or a quote, as Excel writes text with tabs
    enclosed: int = 0


def _quoting_of_cells(texts: Texts, delimiter: str, options: ReadOptions) -> Quoting:
    """Return "csv" only if the enclosed cells cannot well be text, and no cell has quotes that enclose nothing."""
    rows = (cells for text in texts if not is_blank(cells := text.split(delimiter)))
    header = next(rows)
    if options.header is not False and all(map(_is_enclosed, header)) and _width(texts, delimiter, "csv") is not None:
        return "csv"
    shown = _Cells()
    if not all(_look(cell, shown) for cells in itertools.chain([header], rows) for cell in cells):
        return "none"
    if not shown.enclosed:
        return "none"
    return "csv" if shown.doubled or shown.all_text or shown.commas else "none"


def _is_enclosed(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")


def _look(cell: str, shown: _Cells) -> bool:
    """Note what a cell shows. Return False if it has quotes that cannot enclose a cell."""
    if not _is_enclosed(cell):
        shown.all_text = shown.all_text and (not cell.strip() or _NUMBER.fullmatch(cell.strip()) is not None)
        shown.commas = shown.commas and "," not in cell
        return '"' not in cell
    inner = cell[1:-1]
    shown.enclosed += 1
    shown.doubled = shown.doubled or '""' in inner
    shown.commas = shown.commas and ("," in inner or '"' in inner)
    return True
