"""Tables of the report: every column says what it means, every cell keeps its exact value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.formatting import exists
from analysis.result import Analysis


@dataclass(frozen=True)
class TableColumn:
    """A column: its heading, its meaning, how to write a row's cell, and the field with the exact value."""

    heading: str
    meaning: str
    write: Callable[[Any], str]
    field: str | None = None
    kind: str = "number"

    def exact(self, row: Any) -> str | None:
        """Return the unrounded value, for the tooltip and for sorting."""
        return str(row[self.field]) if self.field and exists(row[self.field]) else None


@dataclass(frozen=True)
class Table:
    """A table as it is printed: `rows` are records that the columns write; the first column names the row."""

    caption: str
    columns: Sequence[TableColumn]
    rows: Sequence[Any]


def field(heading: str, name: str, meaning: str, write: Callable[..., str], *arguments: int) -> TableColumn:
    """Make a column of numbers from one field of the row."""
    return TableColumn(heading, meaning, lambda row: write(row[name], *arguments), name)


def text(heading: str, name: str, meaning: str = "") -> TableColumn:
    """Make a column of text from one field of the row; empty if the field is."""
    return TableColumn(heading, meaning, lambda row: str(row[name]) if exists(row[name]) else "", kind="text")


def system() -> TableColumn:
    """Make the column that names the system of a row."""
    return TableColumn(
        "System", "what is compared: a model trained with a recipe", lambda row: str(row["system"]), kind="name"
    )


def labelled(analysis: Analysis, name: str) -> str:
    """Return the name of a system, with its kind if it is a control."""
    kinds = analysis.systems.set_index("system")["control"]
    kind = kinds.get(name)
    return f"{name} ({kind} control)" if exists(kind) else name


def seed(analysis: Analysis) -> str:
    """Return what pairs two systems: a seed, or a data set if several are compared."""
    return "seed" if analysis.unit == "run" else "data set"


def level(analysis: Analysis) -> str:
    """Return the level of the intervals: 95% for an alpha of 0.05."""
    return f"{100 * (1 - analysis.alpha):g}%"
