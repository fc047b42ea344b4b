"""Reads delimited text as cells of text: its encoding, its delimiter and the length of every row are checked."""

from __future__ import annotations

import codecs
import csv
import io

import pandas as pd

from analysis.tables.foreign.table import Refused, Table, listed, plain_name, rows_named
from analysis.tables.foreign.vocabulary import SYSTEM

_DELIMITERS = (",", ";", "\t", "|")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_KINDS = {
    b"PK\x03\x04": "an Excel file or a ZIP archive",
    b"\x1f\x8b": "compressed with gzip",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
}
_SAMPLE = 200  # rows by which the delimiter is recognised
_REMEDY = "save it as CSV in UTF-8 (in a spreadsheet: CSV UTF-8)"


def read_text(data: bytes, label: str, suffix: str) -> Table:
    """Return the cells of CSV or TSV text. Raises Refused for bytes that are no such table."""
    text = decode(data, label)
    if not text.strip():
        raise Refused(f"{label}: is empty: it needs a header row and one row per run")
    if text[:4].lower() == "sep=":  # a spreadsheet's own first line
        text = text.partition("\n")[2]
    delimiter = _delimiter(text, "\t" if suffix == ".tsv" else ",", label)
    header, *rows = _rows(text, delimiter, label)
    if not rows:
        raise Refused(f"{label}: holds no runs: it has a header row and nothing below it")
    header, rows = _evened(header, rows, label)
    cells = pd.DataFrame(rows, columns=pd.Index(_named(header, rows, label), dtype=object), dtype=object)
    return Table(label, cells.where(cells != "", None))


def decode(data: bytes, label: str) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. Raises Refused."""
    other = next((kind for start, kind in _OTHER_KINDS.items() if data.startswith(start)), None)
    if other is not None:
        raise Refused(f"{label}: is {other}, not text; {_REMEDY}")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        name = encoding.removesuffix("-sig").upper()
        raise Refused(f"{label}: line {line} is not {name} (byte 0x{data[error.start]:02x}); {_REMEDY}") from None
    if "\0" in text:
        raise Refused(f"{label}: holds zero bytes, so it is not UTF-8 text (UTF-16 without its mark?); {_REMEDY}")
    return text


def _delimiter(text: str, usual: str, label: str) -> str:
    """Return the delimiter that divides every row alike, else the one that the file's name promises."""
    widths = {name: _widths(text, name) for name in dict.fromkeys((usual, *_DELIMITERS))}
    even = [name for name, own in widths.items() if len(own) and own[0] > 1 and set(own) == {own[0]}]
    if even:
        return max(even, key=lambda name: widths[name][0])
    divided = [name for name, own in widths.items() if len(own) and own[0] > 1]
    if not divided:
        first = text.strip().splitlines()[0][:80]
        raise Refused(f"{label}: its first row has only one column: {first!r}; separate the columns by commas")
    return max(divided, key=lambda name: (name == usual, widths[name][0]))


def _widths(text: str, delimiter: str) -> list[int]:
    """Return the number of cells of the first rows; empty if they cannot be read with this delimiter."""
    widths = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True):
            if row:
                widths.append(len(row))
            if len(widths) > _SAMPLE:
                break
    except csv.Error:
        return []
    return widths


def _rows(text: str, delimiter: str, label: str) -> list[list[str]]:
    """Return the rows that hold anything. Raises Refused, naming the line, for quotes that do not close."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        return [row for row in reader if row and not (len(row) == 1 and not row[0].strip())]
    except csv.Error as error:
        raise Refused(
            f"{label}: line {reader.line_num}: {error}; check the quotes of the cells: a quote inside a quoted cell "
            "is written twice"
        ) from None


def _evened(header: list[str], rows: list[list[str]], label: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of one length. Raises Refused for ragged rows.

    Accepted as they are: a column of row names without a header (as R writes it), and a delimiter at every row's end.
    """
    if all(len(row) == len(header) + 1 for row in rows):
        if not any(row[-1].strip() for row in rows):
            return header, [row[:-1] for row in rows]
        return ["", *header], rows
    ragged = [number for number, row in enumerate(rows) if len(row) != len(header)]
    if ragged:
        has = len(rows[ragged[0]])
        raise Refused(
            f"{label}: {rows_named(ragged)}: the header has {len(header)} columns, but this row has {has}; give every "
            "row as many cells as the header, and quote cells that hold the delimiter"
        )
    return header, rows


def _named(header: list[str], rows: list[list[str]], label: str) -> list[str]:
    """Return the names of the columns; a repeated one must repeat its cells too, and then counts once more."""
    names: list[str] = []
    for column, written in enumerate(header):
        name = written.strip()
        if name in names and name:
            first = names.index(name)
            if any(row[first] != row[column] for row in rows):
                raise Refused(f"{label}: has two columns called {name!r} with different cells; rename one of them")
        names.append(name if name not in names else f"{name or 'column'} ({column + 1})")
    numbers = [name for name in names[1:] if name]
    if numbers and all(map(_is_number, numbers)) and plain_name(names[0]) not in SYSTEM:
        raise Refused(
            f"{label}: its first row looks like data ({listed(names)}); add a header row, such as system,seed,score"
        )
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
