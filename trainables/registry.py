"""Finds tasks, data sets, models, variants and metrics: each module on disk is an entry, its one constant the value."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from analysis.registry import METRICS, Entries, UnknownName, import_file
from trainables import old_names

__all__ = ["Kind", "UnknownName", "content_of", "file_of", "is_path", "load", "names"]

Kind = Literal["task", "dataset", "model", "variant", "metric"]

_ENTRIES: dict[Kind, Entries] = {
    "task": Entries("task", "trainables.tasks"),
    "dataset": Entries("dataset", "trainables.datasets", hyphenated=True),
    "model": Entries("model", "trainables.models", hyphenated=True),
    "variant": Entries("variant", "trainables.variants"),
    "metric": METRICS,
}


def names(kind: Kind) -> list[str]:
    """Return every entry of a kind, sorted, from the file names alone; nothing is imported."""
    return _ENTRIES[kind].names()


def load(kind: Kind, name: str) -> Any:
    """Return the constant TASK, DATASET, MODEL, VARIANT or METRIC of the entry `name` or the Python file at that path.

    A file is imported as it is now, even if an earlier version of it was imported before. Raises UnknownName if there
    is no such entry or file. Errors that a broken file raises are not hidden.
    """
    entries = _ENTRIES[kind]
    if not is_path(name):
        return entries.load(name)
    path = Path(name).expanduser().resolve()
    if path.suffix != ".py" or not path.is_file():
        raise UnknownName(kind, str(path), names(kind))
    entry = entries.constant(import_file(path, f"trainables_{kind}", old_names.provide), name)
    return old_names.with_new_members(entry) if kind == "task" else entry


def file_of(kind: Kind, name: str) -> Path:
    """Return the path of a registered entry's module, without importing it. Raises UnknownName."""
    return _ENTRIES[kind].file_of(name)


def is_path(name: str) -> bool:
    """Return whether a name means a user's Python file and not a registered entry."""
    return name.endswith(".py") or "/" in name or "\\" in name


def content_of(name: str) -> str:
    """Return a key for the current content of a name: the name, and for a user's file its SHA-256. Raises OSError."""
    path = Path(name).expanduser()
    if not is_path(name) or not path.is_file():
        return name
    return f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
