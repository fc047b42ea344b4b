"""Tries at a run that left no record: what happened, kept beside the run, one numbered file each."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from analysis.tables.schema import Corrupt
from orchestrator.storage.sealed_json import seal, unseal
from trainables.system.folder import Folder

ATTEMPTS = "attempts"
LONGEST_TEXT = 100_000
AttemptStatus = Literal["failed", "stopped", "superseded"]


@dataclass(frozen=True)
class Attempt:
    """One try. `failed`: it raised or was lost; `stopped`: on request; `superseded`: another record was there first.

    `kind` is one word for the sort of failure; times are UTC; `owner` is the token of the sweep that wrote it.
    """

    number: int
    status: AttemptStatus = "failed"
    kind: str | None = None
    message: str | None = None
    traceback: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    hardware: str | None = None
    owner: str = ""


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
    while not folder.create(f"{ATTEMPTS}/{number}.json", _file(columns, replace(attempt, number=number))):
        number += 1
    return number


def read(folder: Folder, number: int) -> tuple[Attempt, dict[str, Any]]:
    """An attempt and the run's columns. Raises Corrupt, or FileNotFoundError."""
    name = f"{ATTEMPTS}/{number}.json"
    label = f"{folder.uri}/{name}"
    try:
        content = unseal(folder.read(name), label)
        times = {key: content[key] and datetime.fromisoformat(content[key]) for key in ("started_at", "finished_at")}
        columns = content.pop("run")
        return Attempt(**{**content, **times}), columns
    except IsADirectoryError as error:
        raise Corrupt(f"{label}: is a folder") from error
    except (KeyError, TypeError) as error:
        raise Corrupt(f"{label}: is not the file of an attempt") from error


def numbers(names: Sequence[str]) -> list[int]:
    """The attempts' numbers among file names, ascending."""
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def failed_row(attempt: Attempt, columns: Mapping[str, Any]) -> dict[str, Any]:
    """The `runs` row of a run whose newest attempt failed: no score, and the reason."""
    return {
        **columns,
        "status": "failed",
        "error": ": ".join(part for part in (attempt.kind, attempt.message) if part) or None,
        "attempt": attempt.number,
        "hardware": attempt.hardware,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
    }


def _file(columns: Mapping[str, Any], attempt: Attempt) -> bytes:
    content = asdict(attempt)
    for name in ("message", "traceback", "hardware"):
        content[name] = content[name] and without_host(content[name])
    content["message"] = content["message"] and content["message"][:LONGEST_TEXT]
    content["traceback"] = content["traceback"] and content["traceback"][-LONGEST_TEXT:]
    for name in ("started_at", "finished_at"):
        content[name] = content[name] and content[name].isoformat()
    return seal({**content, "run": dict(columns)})
