"""Writes down tries at a run that left no record, one numbered file each, and finds them beside the run."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from analysis.tables.attempts import Attempt, Newest, file_name, from_bytes, newest
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from analysis.tables.sealed_json import seal

LONGEST_TEXT = 100_000


def without_host(text: str) -> str:
    """The text without this machine's name, which no result may hold."""
    host = socket.gethostname()
    if not host or host == "localhost":
        return text
    return re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "<host>", text)


def write(folder: Folder, columns: Mapping[str, Any], attempt: Attempt) -> int:
    """Write an attempt at a run under its number, or the next free one; returns the number it got.

    `columns` are the run's columns that its specification decides, so that a failed run can be listed.
    """
    number = attempt.number
    while not folder.create(file_name(number), _file(columns, replace(attempt, number=number))):
        number += 1
    return number


def read(folder: Folder, number: int) -> Attempt:
    """One attempt. Raises Corrupt, or FileNotFoundError."""
    name = file_name(number)
    try:
        return from_bytes(folder.read(name), f"{folder.uri}/{name}")[0]
    except IsADirectoryError as error:
        raise Corrupt(f"{folder.uri}/{name}: is a folder") from error


def newest_of(folder: Folder, tried: Iterable[int]) -> Newest:
    """The newest whole attempt of those tried at the run of a folder."""
    return newest(tried, folder.read, folder.uri)


def _file(columns: Mapping[str, Any], attempt: Attempt) -> bytes:
    content = asdict(attempt)
    for name in ("message", "traceback", "hardware"):
        content[name] = content[name] and without_host(content[name])
    content["message"] = content["message"] and content["message"][:LONGEST_TEXT]
    content["traceback"] = content["traceback"] and content["traceback"][-LONGEST_TEXT:]
    for name in ("started_at", "finished_at"):
        content[name] = content[name] and content[name].isoformat()
    return seal({**content, "run": dict(columns)})
