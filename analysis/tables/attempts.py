"""Reads attempts at a run that left no record, `runs/<run_id>/attempts/<n>.json`, and finds the one that counts.

The newest intact one counts. Damaged ones are skipped and named: what ended the attempt may have cut the file off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from analysis.tables.checksummed_json import load_checksummed
from analysis.tables.schema import Corrupt

ATTEMPTS = "attempts"
AttemptStatus = Literal["failed", "stopped", "superseded"]


@dataclass(frozen=True)
class Attempt:
    """One attempt. `failed`: it raised or was lost; `stopped`: on request; `superseded`: another record came first.

    `kind` names the kind of failure; times are UTC; `owner` is the token of the sweep that wrote it.
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


@dataclass(frozen=True)
class Newest:
    """The newest intact attempt and the run's columns in it; None if there is none.

    `damaged` are the numbers of newer attempts that are damaged, `problems` what is wrong with each.
    """

    attempt: Attempt | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    damaged: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()

    def failed_row(self) -> dict[str, Any] | None:
        """Return the `runs` row of a run whose newest attempt failed, with the reason and no score; else None."""
        attempt = self.attempt
        if attempt is None or attempt.status != "failed":
            return None
        return {
            **self.columns,
            "status": "failed",
            "error": ": ".join(part for part in (attempt.kind, attempt.message) if part) or None,
            "attempt": attempt.number,
            "hardware": attempt.hardware,
            "started_at": attempt.started_at,
            "finished_at": attempt.finished_at,
        }


def file_name(number: int) -> str:
    """Return the name of an attempt's file in the run's folder."""
    return f"{ATTEMPTS}/{number}.json"


def numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the attempts among file names, ascending."""
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def newest(tried: Iterable[int], read: Callable[[str], bytes], label: str) -> Newest:
    """Find the newest intact attempt. `read` returns a file of the run's folder, which messages call `label`."""
    problems: dict[int, str] = {}
    for number in sorted(tried, reverse=True):
        name = file_name(number)
        try:
            attempt, columns = from_bytes(read(name), f"{label}/{name}")
        except Corrupt as error:
            problems[number] = str(error)
        except IsADirectoryError:
            problems[number] = f"{label}/{name}: is a folder"
        else:
            return Newest(attempt, columns, tuple(problems), tuple(problems.values()))
    return Newest(damaged=tuple(problems), problems=tuple(problems.values()))


def from_bytes(data: bytes, name: str) -> tuple[Attempt, dict[str, Any]]:
    """Return an attempt and the run's columns. Raises Corrupt, naming the file, if it is damaged."""
    content = load_checksummed(data, name)
    try:
        times = {key: content[key] and datetime.fromisoformat(content[key]) for key in ("started_at", "finished_at")}
        columns = dict(content.pop("run"))
        return Attempt(**{**content, **times}), columns
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"{name}: is not an attempt at a run ({error})") from error
