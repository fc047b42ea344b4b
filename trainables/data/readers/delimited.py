"""Reads tables in text files, CSV and its relatives, by the names of their header or by number."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.data.dataset import DataError
from trainables.data.how_read import LEFT_OUT, HowRead, ReadOptions, Row
from trainables.data.readers.dialect import DELIMITERS, Dialect, dialect_of, fits, is_blank, reader_of
from trainables.data.readers.text import lines

_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "vertical bar", " ": "blank"}
Numbered = Callable[[], Iterator[tuple[int, list[str]]]]  # the rows from the start at each call, with their numbers


def read_csv(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of a file whose cells are separated by commas, or by what the file shows. Quotes enclose cells."""
    return _rows(path, options, how, ",")


def read_tsv(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of a file whose cells are separated by tabs, or by what the file shows.

    Quotes are text, unless the file shows that they enclose cells.
    """
    return _rows(path, options, how, "\t")


@dataclass(frozen=True)
class _Columns:
    """The name of each column; those that begin with LEFT_OUT are not for items.

    `header` is the row of names, and `written` what stands there.
    """

    names: Sequence[str]
    header: int | None
    written: Sequence[str] = ()


def _rows(path: Path, options: ReadOptions, how: HowRead, usual: str) -> Iterator[Row]:
    texts = [text for _, text in lines(path, options, how)]
    dialect = dialect_of(texts, usual, options)

    def numbered() -> Iterator[tuple[int, list[str]]]:
        return _numbered(path, itertools.islice(texts, dialect.skipped, None), dialect)

    columns = _columns(path, numbered, options, how)
    if columns is None:
        return
    _describe(how, dialect, columns, usual, options)
    width, seen = len(columns.names), _Seen()
    for number, values in numbered():
        if number == columns.header or (width > 1 and is_blank(values)):
            continue
        if not fits(values, width):
            raise DataError(_ragged(path, number, values, columns, dialect))
        if width > 1 and seen.is_no_item(values, columns.written):
            continue
        if dialect.quoting == "csv" and '"' in values[-1]:
            seen.look_for_blanks(number, values)
        yield number, dict(zip(columns.names, values, strict=False))
    how.changed = how.changed or seen.empty + seen.headers > 0
    how.notes += seen.sentences()


@dataclass
class _Seen:
    """What rows show that a reader of the report must know."""

    empty: int = 0
    headers: int = 0
    quoted: int = 0  # rows whose last cell has a blank before the quotes around it
    first_quoted: int = 0

    def is_no_item(self, values: Sequence[str], header: Sequence[str]) -> bool:
        """Return whether a row is empty or the header again, and count it."""
        empty, again = not any(map(str.strip, values)), values == header
        self.empty += empty
        self.headers += again
        return empty or again

    def look_for_blanks(self, number: int, values: Sequence[str]) -> None:
        """Count a row in which a blank after the delimiter makes quotes around the last cell part of its text."""
        if _BLANK_AND_QUOTES.fullmatch(values[-1]):
            self.quoted += 1
            self.first_quoted = self.first_quoted or number

    def sentences(self) -> Iterator[str]:
        if self.empty:
            yield f"{self.empty} rows without any text are left out"
        if self.headers:
            yield f"the header occurs again in {self.headers} later row{'s' * (self.headers > 1)}: left out"
        if self.quoted:
            yield (
                f"{self.quoted} rows (the first: {self.first_quoted}) have a blank before a cell in quotes, so the "
                "quotes are read as part of its text; remove the blanks after the delimiters"
            )


_BLANK_AND_QUOTES = re.compile(r' +"[^"]*" *')


def _numbered(path: Path, texts: Iterator[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows but empty lines, each with the number of its last line."""
    reader = reader_of(texts, dialect.delimiter, dialect.quoting)
    line = dialect.skipped
    try:
        for values in reader:
            line = dialect.skipped + reader.line_num  # type: ignore[attr-defined]
            if values:
                yield line, values
    except csv.Error as error:
        line = dialect.skipped + reader.line_num  # type: ignore[attr-defined]
        raise DataError(f"{path}: row {line}: {_reason(error, dialect)}") from error


def _reason(error: csv.Error, dialect: Dialect) -> str:
    reason = str(error)
    if "new-line character" in reason:
        return "holds a line end of old Macs (CR alone); save the file with the line ends of Unix or Windows"
    if "field larger" in reason or dialect.quoting == "none":
        return reason
    return (
        f'{reason}; a quote inside a cell in quotes must be doubled ("" and not \\"); '
        "if quotes are text, set `data: {quoting: none}`"
    )


def _columns(path: Path, numbered: Numbered, options: ReadOptions, how: HowRead) -> _Columns | None:
    """Return the names of the columns; None if the file has no rows. Raises DataError for names that are unclear."""
    header_row, header = next((row for row in numbered() if not is_blank(row[1])), (0, []))
    if not header:
        return None
    if options.header is False:
        return _Columns([str(number) for number in range(1, len(header) + 1)], None)
    names = _names(header, header_row, numbered, how)
    _require_distinct(path, header_row, names)
    for position, name in enumerate(names):
        if not name:
            names[position] = _left_out(path, header_row, position, numbered, how)
    if options.header is None and len(names) == len(header):
        _require_header(path, header_row, header, numbered, options)
    return _Columns(names, header_row, header)


def _require_header(
    path: Path, header_row: int, header: Sequence[str], numbered: Numbered, options: ReadOptions
) -> None:
    """Raise DataError if the header may be an item: its label, in a column given by number, is one of others, too."""
    for field in ("label", "labels"):
        column = options.columns.get(field)
        if not isinstance(column, int) or not 1 <= abs(column) <= len(header):
            continue
        position = column - 1 if column > 0 else column
        written = header[position]
        rows = (values for number, values in numbered() if number != header_row and len(values) == len(header))
        if written.strip() and any(values[position] == written for values in rows):
            raise DataError(
                f"{path}: row {header_row}: is it an item or the names of the columns? Its {field}, {written!r}, is "
                "that of other rows, too; set `data: {header: false}` if it is an item, else `header: true`"
            )


def _names(header: Sequence[str], header_row: int, numbered: Numbered, how: HowRead) -> list[str]:
    """Return the names of a header, without the empty end that a delimiter makes, and with a place for row names."""
    names = [name.strip() for name in header]
    while len(names) > 1 and not names[-1] and all(fits(values, len(names) - 1) for _, values in numbered()):
        names.pop()
    if len(names) < len(header):
        how.remarks.append("the delimiter at the end of each row begins no column")
    return ["", *names] if all(names) and _has_row_names(numbered, header_row, len(names)) else names


def _require_distinct(path: Path, header_row: int, names: Sequence[str]) -> None:
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        places = " and ".join(str(place) for place, name in enumerate(names, start=1) if name == repeated)
        raise DataError(
            f"{path}: row {header_row}: the column names must be distinct, but columns {places} are both "
            f"{repeated!r}; rename one{_HEADER_ADVICE}"
        )


def _has_row_names(numbered: Numbered, header: int, width: int) -> bool:
    """Return whether every row has one number more than the header has names, at its start, as R writes tables."""
    filled = False
    for number, values in numbered():
        if number == header or is_blank(values):
            continue
        if len(values) != width + 1 or not values[0].strip().isdecimal():
            return False
        filled = filled or bool(values[-1].strip())
    return filled


_HEADER_ADVICE = "; if the first row is an item, set `data: {header: false}` and give columns by number"


def _left_out(path: Path, header: int, position: int, numbered: Numbered, how: HowRead) -> str:
    """Return the name of a column without one, which is left out: an index or an empty column. Raises DataError."""
    cells = [values[position].strip() for row, values in numbered() if row != header and len(values) > position]
    if not any(cells):
        how.remarks.append(f"column {position + 1} has no name and is empty: left out")
    elif position == 0 and all(cell.removesuffix(".0").isdecimal() for cell in cells):
        how.remarks.append(f"column 1 has no name and holds whole numbers ({cells[0]}, ...): an index, left out")
    else:
        raise DataError(
            f"{path}: row {header}: the column names must be distinct and not empty, but column {position + 1} has no "
            f"name; name it{_HEADER_ADVICE}"
        )
    return f"{LEFT_OUT}{position + 1}"


def _ragged(path: Path, number: int, values: list[str], columns: _Columns, dialect: Dialect) -> str:
    reason = f"{path}: row {number}: {len(values)} values for {len(columns.names)} columns"
    if len(columns.names) == 1 and columns.header is not None:
        return f"{reason}; {_one_column(columns, dialect)}"
    if len(values) < len(columns.names):
        return f"{reason}; {_separated(dialect)}, and every row needs all of them; see whether a line is cut in two"
    if dialect.quoting == "csv":
        return f'{reason}; a cell with a {_name(dialect.delimiter)} inside must stand in double quotes ("...")'
    return f"{reason}; {_separated(dialect)}; if quotes enclose cells, set `data: {{quoting: csv}}`"


def _one_column(columns: _Columns, dialect: Dialect) -> str:
    """Return why a table with other rows may seem to have one column: its delimiter, or a line above its header."""
    other = next((mark for mark in DELIMITERS if mark != dialect.delimiter and mark in columns.names[0]), None)
    if other is not None:
        return f"if {_name(other)}s separate the cells, set `data: {{delimiter: {other!r}}}`"
    header = f"row {columns.header} is read as the name of the only column ({columns.names[0][:40]!r})"
    return f"{header}: remove lines above the header, and put a cell with a {_name(dialect.delimiter)} inside in quotes"


def _separated(dialect: Dialect) -> str:
    return f"cells are separated by {_name(dialect.delimiter)}s (data.delimiter)"


def _name(delimiter: str) -> str:
    return _NAMES.get(delimiter, repr(delimiter))


def _describe(how: HowRead, dialect: Dialect, columns: _Columns, usual: str, options: ReadOptions) -> None:
    how.delimiter, how.quoting, how.header = dialect.delimiter, dialect.quoting, columns.header is not None
    if dialect.skipped:
        how.remarks.append(f"row 1 says that cells are separated by {_name(dialect.delimiter)}s")
    elif options.delimiter is None and dialect.delimiter != usual:
        how.remarks.append(f"cells are separated by {_name(dialect.delimiter)}s, though the file's name says {usual!r}")
    if dialect.doubted:
        how.notes.append(
            "some cells stand in quotes with doubled quotes inside, as programs write them, but others hold single "
            "quotes, so all quotes are read as text; if quotes enclose cells, set `data: {quoting: csv}`"
        )
    elif dialect.has_quotes and options.quoting is None and dialect.delimiter != ",":
        other = "none" if dialect.quoting == "csv" else "csv"
        meaning = "enclose cells and are not text" if dialect.quoting == "csv" else "are text"
        how.remarks.append(f"quotes {meaning}; `data: {{quoting: {other}}}` reads them otherwise")
    how.changed = how.changed or dialect.delimiter != usual or dialect.skipped > 0
    how.changed = how.changed or (usual == "\t" and dialect.quoting == "csv")
