"""Finds the files of a data set: one file, lists and patterns, files for each part, or a folder that holds parts."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from trainables.config import DataConfig, Files
from trainables.data.dataset import DataError
from trainables.data.readers import format_of
from trainables.data.readers.text import COMPRESSED
from trainables.data.sources.part_names import PARTS, TEST, TRAIN, parts_of, word_of
from trainables.data.sources.parts import SourceFile, SourceFiles
from trainables.data.sources.remote import is_remote, local_copy
from trainables.system.disk_cache import file_sha256, files_sha256, text_sha256

SAVED_TO_DISK = ("dataset_dict.json", "state.json")  # what a folder of the library `datasets` holds
_NO_DATA = ("readme", "license", "licence", "copying", "notice", "changelog", "requirements", "dataset_infos")
_INNER = "data"  # the folder that the hub's data sets keep their files in
_SHOWN = 5


def find_files(data: DataConfig, *, offline: bool = False) -> Path | SourceFiles:
    """Return the one file (or folder saved to disk) that holds the data, or all its files with their parts.

    Files at addresses are fetched. Raises DataError for what does not exist or is not clear.
    """
    if data.train is not None:
        written: dict[str, Files] = {"train": data.train}
        written |= {
            name: files
            for name, files in (("validation", data.validation), ("test", data.test))
            if isinstance(files, str | tuple)
        }
        return _with_parts({part: _expanded(files, f"data.{part}", offline) for part, files in written.items()})
    assert data.path is not None, "there are no files without path or train"
    if isinstance(data.path, str) and not is_remote(data.path):
        path = _absolute(data.path)
        if path.is_dir():
            return _in_folder(path, data)
    files = _expanded(data.path, "data.path", offline)
    return files[0] if len(files) == 1 else _pool(files)


def content_sha256(location: Path | SourceFiles) -> str:
    """Return the SHA-256 (hex) of a file, of a folder's files, or of several files, their parts and their order.

    Of several files in one part, the names count, too, because ids may be made from them. Where the files lie does not.
    """
    if isinstance(location, Path):
        if location.is_file():
            return file_sha256(location)
        files = [path for path in location.rglob("*") if path.is_file() and not path.name.startswith(("cache-", "."))]
        return files_sha256(files, location)
    return text_sha256("\n".join(f"{location.prefix(file)} {file_sha256(file.path)}" for file in location.files))


def _absolute(path: str) -> Path:
    return Path(path.removeprefix("file://")).expanduser().absolute()


def _expanded(written: Files, key: str, offline: bool) -> list[Path]:
    """Return the files that a key names, each once. Raises DataError for one that does not exist or is named twice."""
    paths = [path for text in ((written,) if isinstance(written, str) else written) for path in _named(text, key)]
    return [local_copy(path, offline=offline) if is_remote(path) else Path(path) for path in paths]


def _named(text: str, key: str) -> list[str]:
    if is_remote(text):
        return [text]
    path = _absolute(text)
    if path.is_file():
        return [str(path)]
    if path.is_dir():
        raise DataError(f"{key}: {path} is a folder; name its files, e.g. {path.name}/*.csv")
    base = next(parent for parent in path.parents if parent.is_dir())
    pattern = path.relative_to(base).as_posix()
    if not glob.has_magic(pattern):
        raise DataError(f"{key}: {path} does not exist")
    matches = sorted(str(match) for match in base.glob(pattern) if match.is_file() and not match.name.startswith("."))
    if not matches:
        raise DataError(f"{key}: no file matches {path}")
    return matches


def _pool(files: Sequence[Path]) -> SourceFiles:
    _require_once(files)
    names = _names(files)
    return SourceFiles(tuple(SourceFile(file, None, names[file]) for file in sorted(files, key=names.__getitem__)))


def _with_parts(files: Mapping[str, Sequence[Path]]) -> Path | SourceFiles:
    every = [file for own in files.values() for file in own]
    _require_once(every)
    if set(files) == {TRAIN}:
        return every[0] if len(every) == 1 else _pool(every)
    names = _names(every)
    found = [SourceFile(file, part, names[file]) for part, own in files.items() for file in own]
    return SourceFiles(tuple(sorted(found, key=_order)))


def _order(file: SourceFile) -> tuple[int, str]:
    return PARTS.index(file.part or TRAIN), file.name


def _require_once(files: Iterable[Path]) -> None:
    seen: set[Path] = set()
    for file in files:
        if file.resolve() in seen:
            raise DataError(f"data: {file} is named twice, so its items would count twice")
        seen.add(file.resolve())


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """Return what tells the files apart: their names without suffixes, or with folders, or with both."""
    top = Path(os.path.commonpath([file.parent for file in files]))
    spellings = (
        {file: _stem(file) for file in files},
        {file: (file.parent / _stem(file)).relative_to(top).as_posix() for file in files},
    )
    distinct = (names for names in spellings if len(set(names.values())) == len(files))
    return next(distinct, {file: file.relative_to(top).as_posix() for file in files})


def _stem(file: Path) -> str:
    """Return the name of a file without the suffixes of its compression and its format."""
    name = file.name[: -len(file.suffix)] if file.suffix.lower() in COMPRESSED else file.name
    return Path(name).stem if _is_data(file) else name


def _in_folder(folder: Path, data: DataConfig) -> Path | SourceFiles:
    """Return a folder's files, by part if their names say parts; the folder itself if a library saved it to disk."""
    if any((folder / name).is_file() for name in SAVED_TO_DISK):
        return folder
    files = _data_files(folder, data)
    if not files:
        raise DataError(f"data.path: {folder} is a folder; give the file: no data file lies in it")
    named = _by_part(folder, files)
    chosen = [file for own in named.values() for file in own] or files
    formats = _formats(chosen, data)
    if len(formats) > 1:
        shown = "; ".join(f"{name}: {_shown(folder, own)}" for name, own in formats.items())
        raise DataError(f"data.path: {folder} holds files of several formats ({shown}); name those to read")
    if not named:
        return files[0] if len(files) == 1 else _pool(files)
    others = [file for file in files if file not in chosen]
    alike = _formats(others, data).get(next(iter(formats)), [])
    if TRAIN not in named or len(alike) > len(chosen):
        raise DataError(
            f"data.path: {folder} is a folder with {len(files)} data files, and their names do not say all their parts "
            f"({_shown(folder, files)}); name them: `data: {{train: ..., validation: ..., test: ...}}`, or as one pool "
            "`data: {path: [...]}`"
        )
    if data.test is False:
        named.pop(TEST, None)
    notes = (f"{_shown(folder, others)}: left out, because the name says no part",) if others else ()
    found = _with_parts(named)
    return SourceFiles(
        (SourceFile(found, None, _stem(found)),) if isinstance(found, Path) else found.files, folder, notes
    )


def _data_files(folder: Path, data: DataConfig) -> list[Path]:
    """Return the data files of a folder, of its folder `data`, or of folders that are named as parts."""
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and word_of(path.name) == path.name.lower()]
    places = ([folder], [folder / _INNER], inner)
    found = ([path for place in own if place.is_dir() for path in _files_of(place, data)] for own in places)
    return next((files for files in found if files), [])


def _files_of(folder: Path, data: DataConfig) -> list[Path]:
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [file for file in files if _stem(file).lower() not in _NO_DATA and (_is_data(file) or data.format)]


def _is_data(file: Path) -> bool:
    try:
        format_of(file)
    except DataError:
        return False
    return True


def _formats(files: Sequence[Path], data: DataConfig) -> dict[str, list[Path]]:
    formats: dict[str, list[Path]] = {}
    for file in files:
        formats.setdefault(data.format or format_of(file), []).append(file)
    return formats


def _by_part(folder: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the files of each part: where one has just the part's name (`dev.tsv`), no other one (`dev_ids.tsv`)."""
    words = {file: word_of(_stem(file)) for file in files}
    words |= {file: word_of(file.parent.name) for file in files if file.parent not in (folder, folder / _INNER)}
    meant = parts_of([word for word in words.values() if word is not None])
    parts = {part: [file for file, word in words.items() if word is not None and meant[word] == part] for part in PARTS}
    exact = {part: [file for file in own if _stem(file).lower() == words[file]] for part, own in parts.items()}
    return {part: exact[part] or own for part, own in parts.items() if own}


def _shown(folder: Path, files: Sequence[Path]) -> str:
    names = [file.relative_to(folder).as_posix() for file in files]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
