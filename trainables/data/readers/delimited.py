"""Reads CSV and TSV files with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions, Row
from trainables.data.readers.text import lines


def read_csv(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of a CSV file by the names of its header."""
    return _rows(path, options, how, ",", csv.QUOTE_MINIMAL)


def read_tsv(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of a TSV file by the names of its header."""
    return _rows(path, options, how, "\t", csv.QUOTE_NONE)


def _rows(path: Path, options: ReadOptions, how: HowRead, delimiter: str, quoting: int) -> Iterator[Row]:
    texts = (line + "\n" for _, line in lines(path, options, how))
    reader = csv.reader(texts, delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    header: list[str] | None = None
    how.delimiter = delimiter
    try:
        for values in reader:
            if not values:
                continue
            if header is None:
                header = _header(path, values)
                continue
            if len(values) != len(header):
                raise DataError(f"{path}: row {reader.line_num}: {len(values)} values for {len(header)} columns")
            yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: row {reader.line_num}: {error}") from error


def _header(path: Path, values: list[str]) -> list[str]:
    names = [value.strip() for value in values]
    if len(set(names)) < len(names) or not all(names):
        raise DataError(f"{path}: row 1: the column names must be distinct and not empty: {', '.join(names)}")
    return names
