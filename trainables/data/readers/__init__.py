"""Read the rows of a file: one file per family of formats; `read_rows` recognises which one.

Start with `read_rows` below. `text.py` opens and decodes; `json_rows.py`, `delimited.py`, `conll.py` and `arrow.py`
each read one family, and note in a `HowRead` (`data/how_read.py`) what they recognised. `dialect.py` recognises
delimiters and quotes, `json_shapes.py` the forms of one JSON object. May import `data/how_read.py` and
`data/dataset.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, Reader, ReadOptions, Row
from trainables.data.readers.arrow import is_saved, read_arrow, read_parquet
from trainables.data.readers.conll import looks_like_conll, read_conll
from trainables.data.readers.delimited import read_csv, read_tsv
from trainables.data.readers.json_rows import read_json, read_jsonl
from trainables.data.readers.text import MAX_ROW_BYTES, lines, refuse_old_line_ends, refuse_other_content, suffixes

__all__ = ["MAX_ROW_BYTES", "Row", "format_of", "read_rows", "recognised"]

_FORMATS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".conllu": "conllu",
    ".txt": "text",
}
_EXECUTABLE = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".joblib", ".dill")
_PACKED = (".zip", ".tar", ".tgz", ".rar", ".7z", ".zst")
_SHEETS = (".xlsx", ".xls", ".ods")
_LOOKED_AT = 200  # lines at the start of a text file that decide whether it is CoNLL


_SETTINGS = {
    "delimiter": ("csv", "tsv", "conll", "conllu"),
    "header": ("csv", "tsv", "conll", "conllu"),
    "quoting": ("csv", "tsv"),
    "encoding": ("csv", "tsv", "conll", "conllu", "json", "jsonl", "text"),
}


def read_rows(
    path: Path, format: str | None = None, *, options: ReadOptions | None = None, how: HowRead | None = None
) -> Iterator[Row]:
    """Return (row number, row) of a file, in order; numbers count lines from 1, or list elements for JSON and Parquet.

    A folder that `datasets` saved counts as a file. If no format is given, the file's name and content decide; `.gz`,
    `.bz2` and `.xz` files are decompressed. `how` gets what was recognised. Raises DataError for a file that cannot be
    read, a format that can run code, or a row that is broken, not in its encoding, or larger than MAX_ROW_BYTES.
    """
    options = options or ReadOptions(format=format)
    how = how or HowRead(str(path))
    if path.is_dir() and not is_saved(path):
        raise DataError(f"{path}: a folder that `save_to_disk` did not write; give the file in it")
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if options.format not in ("parquet", "arrow"):
        refuse_other_content(path)
    how.format = recognised(path, options)
    _require_used(path, options, how.format)
    return _not_empty(path, _READERS[how.format](path, options, how))


def _not_empty(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: the file holds no rows")
    yield from itertools.chain([first], rows)


def _require_used(path: Path, options: ReadOptions, format: str) -> None:
    """Raise DataError for a setting that this format does not have: it would do nothing."""
    for name, formats in _SETTINGS.items():
        if getattr(options, name) is not None and format not in formats:
            raise DataError(
                f"data.{name}: {path} is read as {format}, which has no {name}; remove it, or set data.format"
            )


def format_of(path: Path) -> str:
    """Return the format of a file by its name. Raises DataError for an unknown format or one that can run code."""
    suffix = "".join(suffixes(path)[-1:])
    if suffix in _EXECUTABLE:
        raise DataError(
            f"{path}: {suffix} files can run code when they are loaded; give JSON, CSV, TSV, Parquet or CoNLL"
        )
    if suffix in _PACKED:
        raise DataError(f"{path}: unpack it, and give the files in it")
    if suffix in _SHEETS:
        raise DataError(f"{path}: export the sheet as CSV, and give that file")
    if suffix not in _FORMATS:
        raise DataError(f"{path}: unknown format {suffix!r}; set data.format to one of {', '.join(sorted(_READERS))}")
    return _FORMATS[suffix]


def recognised(path: Path, options: ReadOptions) -> str:
    """Return the format: the given one, or by the file's name and, where that leaves it open, its first lines."""
    if path.is_dir():
        return "arrow"
    if options.format is not None:
        return options.format
    if "words" in options.fields and set(suffixes(path)) & {name for name in _FORMATS if "conll" in _FORMATS[name]}:
        return next(_FORMATS[name] for name in suffixes(path) if "conll" in _FORMATS.get(name, ""))
    named = format_of(path)
    if "words" in options.fields and named in ("text", "tsv", "csv") and _is_conll(path, options):
        return "conll"
    if named == "text" and set(options.fields) - {"text"} and _is_table(_start(path, options)):
        return "tsv"
    return named


def _is_conll(path: Path, options: ReadOptions) -> bool:
    """Return whether the first lines of a file are words with labels and not a table with a header."""
    return looks_like_conll(_start(path, options))


def _is_table(start: Sequence[str]) -> bool:
    """Return whether every line of a text file has the same number of tabs: MRPC and SemEval call such tables .txt."""
    tabs = {text.count("\t") for text in start if text.strip()}
    return len(tabs) == 1 and tabs != {0}


def _start(path: Path, options: ReadOptions) -> list[str]:
    return [text for _, text in itertools.islice(lines(path, options, HowRead(str(path))), _LOOKED_AT)]


def _read_text(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Read one text per line; empty lines are left out."""
    numbered = lines(path, options, how)
    start = list(itertools.islice(numbered, 2))
    if len(start) == 1:
        refuse_old_line_ends(path, start[0][1])
    for number, line in itertools.chain(start, numbered):
        if line.strip():
            yield number, {"text": line}


_READERS: Mapping[str, Reader] = {
    "json": read_json,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "conll": read_conll,
    "conllu": read_conll,
    "text": _read_text,
}
