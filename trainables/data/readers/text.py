"""Opens text files: decompression, encodings, line ends and limits; errors name the file and the row."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions

MAX_ROW_BYTES = 16 * 2**20  # far above any sentence or paragraph; a longer line is a broken or hostile file
MAX_FILE_BYTES = 2 * 2**30  # for formats that must be held in memory as a whole

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSED = tuple(_OPENERS)
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def suffixes(path: Path) -> list[str]:
    """Return the suffixes of a file's name in lower case, without that of its compression."""
    found = [suffix.lower() for suffix in path.suffixes]
    return found[:-1] if found and found[-1] in COMPRESSED else found


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for its decompressed bytes. Raises DataError for one that is missing, unreadable or cut short."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with _OPENERS.get(path.suffix.lower(), Path.open)(path, "rb") as file:
            yield file
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the compressed file is cut short or damaged ({error}); copy or download it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


_CONTENTS = {
    b"version https://git-lfs": "a Git LFS pointer and not the data: run `git lfs pull` in its repository",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or export the sheet as CSV",
    b"<!doctype html": "a web page and not the data: download the file itself",
    b"<html": "a web page and not the data: download the file itself",
    b"%pdf-": "a PDF: save its text as UTF-8",
}


def refuse_other_content(path: Path) -> None:
    """Raise DataError for a file that holds something else than its name says, with what to do."""
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            start = file.read(64).removeprefix(codecs.BOM_UTF8).lstrip()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start.startswith(b"\x1f\x8b") and path.suffix.lower() != ".gz":
        raise DataError(f"{path}: is compressed with gzip: name it {path.name}.gz")
    if start.startswith(b"PAR1") and path.suffix.lower() not in (".parquet", ".pq"):
        raise DataError(f"{path}: is a Parquet file: set `data: {{format: parquet}}`")
    lowered = start.lower()
    for mark, advice in _CONTENTS.items():
        if lowered.startswith(mark.lower()):
            raise DataError(f"{path}: is {advice}")


def refuse_old_line_ends(path: Path, row: str) -> None:
    """Raise DataError for a file whose only row holds carriage returns: the line ends of old Macs."""
    if "\r" in row:
        raise DataError(
            f"{path}: row 1: holds line ends of old Macs (CR alone); "
            "save the file with the line ends of Unix or Windows"
        )


def encoding_of(path: Path, options: ReadOptions, how: HowRead) -> str:
    """Return the codec of a text file: the given one, that of its byte-order mark, or UTF-8. Raises DataError."""
    with opened(path) as file:
        start = file.read(4)
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    name = options.encoding or marked or "utf-8"
    try:
        codec = codecs.lookup(name).name
    except LookupError as error:
        raise DataError(f"data.encoding: Python knows no encoding {name!r}; known are utf-8, cp1252, utf-16") from error
    if codec == "utf-8" and marked == "utf-8-sig":
        codec = "utf-8-sig"
    how.encoding = "utf-8" if codec == "utf-8-sig" else codec
    how.changed = how.changed or how.encoding != "utf-8"
    return codec


def lines(path: Path, options: ReadOptions, how: HowRead) -> Iterator[tuple[int, str]]:
    """Yield numbered lines without line ends; a byte-order mark is dropped, and CRLF counts as LF."""
    codec = encoding_of(path, options, how)
    with opened(path) as file:
        if codec in ("utf-8", "utf-8-sig"):
            yield from _utf8_lines(path, file)
        else:
            yield from _other_lines(path, file, codec)


def _utf8_lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(MAX_ROW_BYTES + 1):
        number += 1
        _require_short(path, number, len(line))
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if b"\0" in line:
            raise DataError(_with_zero_bytes(path, number))
        try:
            yield number, line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            place = f"row {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8"
            raise DataError(f"{path}: {place}; {_REMEDY}") from error


def _with_zero_bytes(path: Path, number: int) -> str:
    return (
        f"{path}: row {number}: holds zero bytes, which no text has; if the file is UTF-16, set "
        "`data: {encoding: utf-16-le}`, else it is damaged"
    )


_REMEDY = "save the file as UTF-8, or name its encoding, e.g. `data: {encoding: cp1252}`"


def _other_lines(path: Path, file: IO[bytes], codec: str) -> Iterator[tuple[int, str]]:
    text, number = io.TextIOWrapper(file, encoding=codec, newline="\n"), 0
    try:
        while line := text.readline(MAX_ROW_BYTES + 1):
            number += 1
            _require_short(path, number, len(line))
            if "\0" in line:
                raise DataError(_with_zero_bytes(path, number))
            yield number, (line.removeprefix("\ufeff") if number == 1 else line).rstrip("\r\n")
    except UnicodeError as error:
        raise DataError(f"{path}: row {number + 1} or soon after it: not {codec}: {error}; check data.encoding") from (
            error
        )
    finally:
        text.detach()


def _require_short(path: Path, number: int, length: int) -> None:
    if length > MAX_ROW_BYTES:
        raise DataError(f"{path}: row {number}: longer than {MAX_ROW_BYTES:,} bytes")


def whole(path: Path, options: ReadOptions, how: HowRead) -> str:
    """Return a file's text. Raises DataError for a file above MAX_FILE_BYTES or not in its encoding."""
    codec = encoding_of(path, options, how)
    with opened(path) as file:
        data: bytes = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{path}: larger than {MAX_FILE_BYTES:,} bytes; use jsonl, which is read row by row")
    try:
        return data.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        place = f"row {row}: byte 0x{data[error.start]:02x} is not {how.encoding}"
        raise DataError(f"{path}: {place}; {_REMEDY}") from error
