"""Turns Python values into plain ones that a file could hold, for experiments that are given as a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from orchestrator.config.yaml_file import Document, KeyPath, dotted
from orchestrator.errors import InvalidExperiment, Problem


def document_of(content: Mapping[str, Any], source: str) -> Document:
    """Return a document with a copy of `content`; messages call it `source`.

    Tuples and ranges become lists, paths become text. Raises InvalidExperiment for anything that a file cannot hold.
    """
    problems: list[Problem] = []
    plain = _plain(content, (), problems)
    if problems:
        raise InvalidExperiment(source, problems)
    return Document(source, plain)


def _plain(value: Any, path: KeyPath, problems: list[Problem]) -> Any:
    if isinstance(value, Mapping):
        names = [key for key in value if not isinstance(key, str)]
        problems += [Problem(dotted(path), f"keys must be text, got {name!r:.40}") for name in names]
        return {key: _plain(entry, (*path, key), problems) for key, entry in value.items() if isinstance(key, str)}
    if isinstance(value, list | tuple | range):
        return [_plain(entry, (*path, number), problems) for number, entry in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    if value is not None and not isinstance(value, bool | int | float | str):
        problems.append(Problem(dotted(path), f"must be a plain value, got {type(value).__name__}"))
    return value
