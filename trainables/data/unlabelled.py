"""Reads a file to predict as the data of the run were read, its labels left aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainables.config import DataConfig
from trainables.data.dataset import DataError, Item
from trainables.data.how_read import HIDDEN_PART, Column, Columns, HowRead, ReadOptions
from trainables.data.items import items_of, sources
from trainables.data.readers import format_of, read_rows, recognised
from trainables.data.readers.text import lines, suffixes
from trainables.data.sources.remote import is_remote, local_copy

GOLD = ("label", "labels", "answers")
_OF_WORDS = ("conll", "conllu")
_SETTINGS = ("delimiter", "encoding", "quoting", "header")


@dataclass(frozen=True)
class InputFile:
    """A file to predict, and what the user says about it; the rest is taken from the run."""

    path: str
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def read_inputs(file: InputFile, run: DataConfig, fields: Sequence[str]) -> tuple[list[Item], tuple[str, ...]]:
    """Return the items of a file and notes about them; `fields` are those that the run's task needs.

    A file with the suffix of the run's file is read with the run's settings and columns, any other one as its name
    says. Raises DataError with file, row and remedy.
    """
    path = local_copy(file.path) if is_remote(file.path) else Path(file.path).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    inputs = tuple(name for name in fields if name not in GOLD)
    try:
        options = _options(path, file, run, inputs)
        how = HowRead(str(path))
        items = items_of(path, options, how)
    except DataError as error:
        reason = str(error).replace("data.format", "--format").replace("data.columns", "--columns")
        raise DataError(reason) from error
    return _without_parts(items), tuple(how.notes)


def _options(path: Path, file: InputFile, run: DataConfig, inputs: tuple[str, ...]) -> ReadOptions:
    own = _first_file(run)
    alike = file.format is None and own is not None and suffixes(path) == suffixes(own)
    options = ReadOptions(format=file.format or (run.format if alike else None), fields=inputs)
    if alike or (file.format is not None and file.format == _format_of(run, own)):
        settings = {name: getattr(run, name) for name in _SETTINGS}
        options = ReadOptions(format=options.format, fields=inputs, **settings)
    by_content = alike or file.format is not None or ".conll" in suffixes(path)
    format = recognised(path, options) if by_content else format_of(path)
    if alike and format == "text" and "words" in inputs and _has_a_word_per_line(path, options):
        format = "conll"
    columns = _columns(path, ReadOptions(**{**vars(options), "format": format}), file.columns, run.columns)
    return ReadOptions(**{**vars(options), "format": format, "columns": columns})


def _first_file(run: DataConfig) -> Path | None:
    written = run.path or run.train
    if written is None:
        return None
    return Path((written if isinstance(written, str) else written[0]).partition("?")[0])


def _format_of(run: DataConfig, own: Path | None) -> str | None:
    if run.format is not None or own is None:
        return run.format
    try:
        return format_of(own)
    except DataError:
        return None


def _has_a_word_per_line(path: Path, options: ReadOptions) -> bool:
    """Return whether no line holds a blank within: words without labels, as the run's file has them with labels."""
    return all(len(text.split()) < 2 for _, text in lines(path, options, HowRead(str(path))))


def _columns(path: Path, options: ReadOptions, given: Mapping[str, str], run: Columns) -> Columns:
    """Return the columns that the user gives, and those of the run that the file has.

    Raises DataError for a field whose column the file lacks, if it has no column of the field's own name either.
    """
    kept = {name: column for name, column in run.items() if name not in GOLD and name not in given}
    if options.format in _OF_WORDS:
        return {**{name: column for name, column in kept.items() if name == "words"}, **_numbered(given, ())}
    row = next(iter(read_rows(path, options=options)))[1]
    names = [name for name in row if name != HIDDEN_PART]
    known = {*names, *range(-len(names), 0), *range(1, len(names) + 1)}
    there = {name: column for name, column in kept.items() if set(sources({name: column})) <= known}
    lacking = next((name for name in options.fields if name in kept and name not in {*there, *names, *given}), None)
    if lacking is not None and "text" not in {*there, *names, *given}:
        raise DataError(
            f"{path}: there is no column {kept[lacking]!r}, from which the run took {lacking} (there are: "
            f"{', '.join(names)}); say which one it is with --columns {lacking}=COLUMN"
        )
    return {**there, **_numbered(given, names)}


def _numbered(given: Mapping[str, str], names: Sequence[str]) -> dict[str, Column]:
    """Return columns by name, or by number if there is no such name and it is one."""
    return {
        name: int(column) if column not in names and column.lstrip("-").isdecimal() else column
        for name, column in given.items()
    }


def _without_parts(items: list[Item]) -> list[Item]:
    """Return the items without the names of their parts, which distinguish equal ids."""
    parts: list[Any] = [item.pop(HIDDEN_PART, None) for item in items]
    if len({str(item["id"]) for item in items}) == len(items):
        return items
    return [{**item, "id": f"{part}/{item['id']}"} for item, part in zip(items, parts, strict=True)]
