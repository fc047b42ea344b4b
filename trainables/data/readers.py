"""Reads JSON, JSONL, CSV, TSV, Parquet, CoNLL and text files row by row; errors name the row."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError

Row = tuple[int, dict[str, Any]]

MAX_ROW_BYTES = 16 * 2**20  # far above any sentence or paragraph; a longer line is a broken or hostile file
MAX_FILE_BYTES = 2 * 2**30  # for formats that must be held in memory as a whole

_FORMATS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".txt": "text",
}
_EXECUTABLE = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".joblib", ".dill")


def read_rows(path: Path, format: str | None = None) -> Iterator[Row]:
    """Yield (row number, row) of a file, in order; numbers count lines from 1, or list elements for JSON and Parquet.

    If `format` is None, the file's name decides; `.gz` files are decompressed. Raises DataError for a file that cannot
    be read, a format that can run code, or a row that is broken, not UTF-8, or larger than MAX_ROW_BYTES.
    """
    reader = _READERS[format or format_of(path)]
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    empty = True
    try:
        for row in reader(path):
            empty = False
            yield row
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if empty:
        raise DataError(f"{path}: the file holds no rows")


def format_of(path: Path) -> str:
    """Return the format of a file by its name. Raises DataError for an unknown format or one that can run code."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if suffix in _EXECUTABLE:
        raise DataError(
            f"{path}: {suffix} files can run code when they are loaded; give JSON, CSV, TSV, Parquet or CoNLL"
        )
    if suffix not in _FORMATS:
        raise DataError(f"{path}: unknown format {suffix!r}; set data.format to one of {', '.join(sorted(_READERS))}")
    return _FORMATS[suffix]


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield numbered lines without line ends; a byte-order mark is dropped, and CRLF counts as LF."""
    with _open(path) as file:
        number = 0
        while line := file.readline(MAX_ROW_BYTES + 1):
            number += 1
            if len(line) > MAX_ROW_BYTES:
                raise DataError(f"{path}: row {number}: longer than {MAX_ROW_BYTES:,} bytes")
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            yield number, _decode(path, number, line).rstrip("\r\n")


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: row {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8"
        ) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if line.strip():
            yield number, _object(path, number, _parse(path, number, line.strip(), 0)[0])


def _read_json(path: Path) -> Iterator[Row]:
    """Read the elements of one JSON list, parsed one by one so that an error can name its row."""
    text = _whole(path)
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


def _whole(path: Path) -> str:
    with _open(path) as file:
        data: bytes = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{path}: larger than {MAX_FILE_BYTES:,} bytes; use jsonl, which is read row by row")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: row {row}: byte 0x{data[error.start]:02x} is not UTF-8") from error


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


def _read_delimited(delimiter: str, quoting: int) -> Callable[[Path], Iterator[Row]]:
    def read(path: Path) -> Iterator[Row]:
        texts = (line + "\n" for _, line in _lines(path))
        reader = csv.reader(texts, delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
        header: list[str] | None = None
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

    return read


def _header(path: Path, values: list[str]) -> list[str]:
    names = [value.strip() for value in values]
    if len(set(names)) < len(names) or not all(names):
        raise DataError(f"{path}: row 1: the column names must be distinct and not empty: {', '.join(names)}")
    return names


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for column in file.schema_arrow:
                _refuse_extension(path, column)
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def _refuse_extension(path: Path, field: Any) -> None:
    """Refuse extension types: reading them runs the code that registered them."""
    import pyarrow as pa

    metadata = field.metadata or {}
    if isinstance(field.type, pa.BaseExtensionType) or b"ARROW:extension:name" in metadata:
        raise DataError(f"{path}: column {field.name!r} has an extension type; give plain numbers, text and lists")
    for index in range(field.type.num_fields):
        _refuse_extension(path, field.type.field(index))


def _read_conll(path: Path) -> Iterator[Row]:
    """Read one word per line, its label in the last column, with an empty line between sentences."""
    words: list[str] = []
    labels: list[str] = []
    start = 1
    for number, line in _lines(path):
        cells = line.split()
        if not cells or cells[0] == "-DOCSTART-":
            if words:
                yield start, {"words": words, "labels": labels}
            words, labels = [], []
            continue
        if len(cells) < 2:
            raise DataError(f"{path}: row {number}: a CoNLL line needs a word and a label, got {line!r}")
        start = start if words else number
        words.append(cells[0])
        labels.append(cells[-1])
    if words:
        yield start, {"words": words, "labels": labels}


def _read_text(path: Path) -> Iterator[Row]:
    """Read one text per line; empty lines are left out."""
    for number, line in _lines(path):
        if line.strip():
            yield number, {"text": line}


_READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_delimited(",", csv.QUOTE_MINIMAL),
    "tsv": _read_delimited("\t", csv.QUOTE_NONE),
    "parquet": _read_parquet,
    "conll": _read_conll,
    "text": _read_text,
}
