"""What the user says about a file, and what was recognised while it was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Row = tuple[int, dict[str, Any]]
Column = str | int
Columns = Mapping[str, Column | Sequence[Column]]
Quoting = Literal["csv", "none"]
LEFT_OUT = "\0"  # begins the name of a column that counts in positions but is left out of items
HIDDEN_PART = "\0part"  # the column of a part that no file can have: what a format with parts of its own fills in


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about a file; None: recognised from the file.

    `columns` maps a field of the task to its column, by name or number (1 is the first, -1 the last), or to several
    columns of 0 and 1. `fields` are the item fields that the task needs: they decide what is looked for, so a text
    file is CoNLL for a task that needs `words`. `part` is the column that holds each row's part (train, test, ...), and
    `label_names` are the names of a vector of 0 and 1.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    quoting: Quoting | None = None
    header: bool | None = None
    columns: Columns = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    part: Column | None = None
    label_names: tuple[str, ...] | None = None


@dataclass
class HowRead:
    """How one file was read, filled in while it is read.

    `columns` says for each field of the task where it comes from, in words. `remarks` are for someone who checks how
    the file is read; `notes` are about what was left out or changed, and every report must repeat them. `part` is the
    column of each row's part, if the rows have one. `changed` is set as soon as a row differs from what the first
    version of the readers made of it: the fingerprint of such a file must not be the old one.
    """

    path: str
    format: str = ""
    delimiter: str | None = None
    encoding: str | None = None
    quoting: Quoting | None = None
    header: bool | None = None
    columns: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    part: str | None = None
    changed: bool = False


class Reader(Protocol):
    """Reads the rows of one format, numbered by line (or element), and says in `how` what it recognised."""

    def __call__(self, path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
        """Yield the rows in order. Raises DataError with file, row, reason and remedy."""
