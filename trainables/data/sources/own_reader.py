"""Uses a data set that a user's Python file defines, and checks what it returns as the rows of a file are checked.

Whatever the user's code raises becomes a DataError that names its file and line.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

from trainables import registry
from trainables.data.dataset import DataError, Dataset, HeldOut, Item, Reading
from trainables.data.forms.labels import class_of
from trainables.data.sources.part_names import KNOWN, parts_of


def own_dataset(name: str) -> Dataset:
    """Load the data set that a Python file defines. Raises UnknownName if there is no such file, else DataError."""
    with _named_errors(name):
        dataset: Any = registry.load("dataset", name)
    if not isinstance(dataset, Dataset):
        raise DataError(f"{name}: DATASET must be a trainables.data.dataset.Dataset, got {type(dataset).__name__}")
    return dataset


def read_own(
    name: str, dataset: Dataset, location: Path, fields: Sequence[str], test: HeldOut | None = None
) -> Reading:
    """Return what the reader of a user's data set returns, with numbered items and the usual names of parts.

    `fields` are those that the task needs; `test` is the test part in files of its own, if it is read. Raises
    DataError, with the file and the item, for what cannot be used.
    """
    with _named_errors(name):
        reading: Any = dataset.read(location)
        held_out: Any = [] if test is None else test.read(location)
    if not isinstance(reading, Reading):
        raise DataError(f"{name}: read must return Reading(items, parts), got {type(reading).__name__}")
    count = len(_listed(name, reading.items))
    items = _checked(name, [*reading.items, *_listed(name, held_out)])
    parts: Any = reading.parts
    if test is not None and (parts is None or isinstance(parts, Mapping)):
        parts = {**({"train": range(count)} if parts is None else parts), "test": range(count, len(items))}
    chosen = None if parts is None else _parts(name, parts, items)
    return Reading(items, chosen, (*reading.notes, *_task_notes(name, dataset, items, fields)), reading.how)


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (registry.UnknownName, DataError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{_place(name, error)}: {type(error).__name__}: {error}") from error


def _place(name: str, error: BaseException) -> str:
    """Return `file:line` of the user's file where an error arose; the file if its own lines had no part in it."""
    file = str(Path(name).expanduser().resolve())
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{name}:{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{name}:{lines[-1]}" if lines else name


def _listed(name: str, items: Any) -> Sequence[Any]:
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        raise DataError(f"{name}: the items must be a list of dicts, got {type(items).__name__}")
    return items


def _checked(name: str, items: Sequence[Any]) -> list[Item]:
    """Return the items with ids. Raises DataError for one that is no dict, or has an id that another one has."""
    if not items:
        raise DataError(f"{name}: the reader returns no items")
    seen: dict[str, int] = {}
    checked = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, Mapping) or not all(isinstance(key, str) for key in item):
            raise DataError(f"{name}: item {number}: must be a dict with text as keys, got {_shown(item)}")
        identity = item.get("id", number)
        if isinstance(identity, bool) or not isinstance(identity, Integral | str) or identity == "":
            raise DataError(f"{name}: item {number}: its id must be text or a whole number, got {_shown(identity)}")
        if str(identity) in seen:
            raise DataError(f"{name}: items {seen[str(identity)]} and {number} have the same id {identity!r}")
        seen[str(identity)] = number
        label = {"label": class_of(item["label"])} if "label" in item else {}
        checked.append({**item, **label, "id": identity if isinstance(identity, str) else int(identity)})
    return checked


def _parts(name: str, parts: Any, items: Sequence[Item]) -> dict[str, Sequence[int]] | None:
    """Return item indices by part. Raises DataError for a part that no run uses, and for indices that cannot be."""
    if not isinstance(parts, Mapping):
        raise DataError(f"{name}: parts must map names of parts to item indices, got {type(parts).__name__}")
    meant = parts_of(parts)
    chosen: dict[str, Sequence[int]] = {}
    owner: dict[int, str] = {}
    for written, indices in parts.items():
        part = meant[written]
        if part is None or part in chosen:
            reason = "no part is called that" if part is None else f"there is another {part} part"
            raise DataError(f"{name}: parts: {written!r}: {reason}; write {KNOWN}")
        chosen[part] = _indices(name, written, indices, len(items))
        for index in chosen[part]:
            if index in owner:
                where = (
                    f"in {owner[index]!r} and in {written!r}" if owner[index] != written else f"twice in {written!r}"
                )
                raise DataError(f"{name}: parts: item {index + 1} (id {items[index]['id']!r}) is {where}")
            owner[index] = written
    if "train" not in chosen:
        raise DataError(f"{name}: parts: there is no train part, only {', '.join(map(repr, parts)) or 'an empty one'}")
    return chosen if len(chosen) > 1 else None


def _indices(name: str, part: str, indices: Any, count: int) -> Sequence[int]:
    try:
        values = list(indices)
    except TypeError:
        values = [indices]
    wrong = next((value for value in values if not _is_index(value, count)), None)
    if wrong is not None:
        raise DataError(f"{name}: parts: {part!r} holds {_shown(wrong)}, which is no index of the {count} items")
    if not values:
        raise DataError(f"{name}: parts: {part!r} is empty; leave it out")
    return indices if isinstance(indices, range) else [int(value) for value in values]


def _is_index(value: Any, count: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < count


def _task_notes(name: str, dataset: Dataset, items: Sequence[Item], fields: Sequence[str]) -> tuple[str, ...]:
    """Return a note if the file says that it is for a task with other fields. Raises DataError if items lack one."""
    tasks = registry.names("task")
    own = registry.load("task", dataset.task).fields if dataset.task in tasks else fields
    if set(fields) <= set(own):
        return ()
    lacking = [field for field in fields if not any(field in item for item in items)]
    made_for = f"the data set is for the task {dataset.task}"
    if lacking:
        known = ", ".join(key for key in items[0] if key != "id")
        reason = f"its items have no {' and no '.join(lacking)} (they have: {known or 'nothing'})"
        raise DataError(f"{name}: {made_for}, and {reason}")
    return (f"{Path(name).name}: {made_for}, which needs other fields than the task of this experiment",)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
