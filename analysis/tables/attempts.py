"""Tries at a run that left no record, `runs/<run_id>/attempts/<n>.json`: what they say, and which of them counts.

The newest whole one counts. A damaged one is passed over and named: it may have been cut off by what ended the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from analysis.tables.schema import Corrupt
from analysis.tables.sealed_json import unseal

ATTEMPTS = "attempts"
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


@dataclass(frozen=True)
class Newest:
    """The newest whole attempt and the run's columns that it holds; None where there is none.

    `damaged` are the numbers of the newer ones that are not whole, `problems` what is wrong with each.
    """

    attempt: Attempt | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    damaged: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()

    def failed_row(self) -> dict[str, Any] | None:
        """The `runs` row of a run whose newest attempt failed: no score, and the reason. None where it did not fail."""
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
    """Where an attempt lies in the run's folder."""
    return f"{ATTEMPTS}/{number}.json"


def numbers(names: Iterable[str]) -> list[int]:
    """The attempts' numbers among file names, ascending."""
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def newest(tried: Iterable[int], read: Callable[[str], bytes], place: str) -> Newest:
    """The newest whole attempt of those tried. `read` gets a file of the run's folder, which messages call `place`."""
    problems: dict[int, str] = {}
    for number in sorted(tried, reverse=True):
        name = file_name(number)
        try:
            attempt, columns = from_bytes(read(name), f"{place}/{name}")
        except Corrupt as error:
            problems[number] = str(error)
        except IsADirectoryError:
            problems[number] = f"{place}/{name}: is a folder"
        else:
            return Newest(attempt, columns, tuple(problems), tuple(problems.values()))
    return Newest(damaged=tuple(problems), problems=tuple(problems.values()))


def from_bytes(data: bytes, name: str) -> tuple[Attempt, dict[str, Any]]:
    """An attempt and the run's columns. Raises Corrupt, naming the file, for one that is not whole."""
    content = unseal(data, name)
    try:
        times = {key: content[key] and datetime.fromisoformat(content[key]) for key in ("started_at", "finished_at")}
        columns = dict(content.pop("run"))
        return Attempt(**{**content, **times}), columns
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"{name}: is no attempt at a run ({error})") from error
