"""What a table of the report is made of: every column says what it is, every cell keeps its exact value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.formatting import exists
from analysis.result import Analysis


@dataclass(frozen=True)
class TableColumn:
    """A column: its heading, what it means, how a row's cell is written, and the field its exact value is in."""

    heading: str
    meaning: str
    write: Callable[[Any], str]
    field: str | None = None
    kind: str = "number"

    def exact(self, row: Any) -> str | None:
        """The unrounded value, for the tooltip and for sorting."""
        return str(row[self.field]) if self.field and exists(row[self.field]) else None


@dataclass(frozen=True)
class Table:
    """A table as it is printed: `rows` are records that the columns write; the first column names the row."""

    caption: str
    columns: Sequence[TableColumn]
    rows: Sequence[Any]


def field(heading: str, name: str, meaning: str, write: Callable[..., str], *arguments: int) -> TableColumn:
    """A column of numbers that one field of the row holds."""
    return TableColumn(heading, meaning, lambda row: write(row[name], *arguments), name)


def text(heading: str, name: str, meaning: str = "") -> TableColumn:
    """A column of words that one field of the row holds; empty where there are none."""
    return TableColumn(heading, meaning, lambda row: str(row[name]) if exists(row[name]) else "", kind="text")


def system() -> TableColumn:
    """The column that names the system of a row."""
    return TableColumn(
        "System", "what is compared: a model trained by a recipe", lambda row: str(row["system"]), kind="name"
    )


def labelled(analysis: Analysis, name: str) -> str:
    """The name of a system where no tag can stand: a control is called one."""
    kinds = analysis.systems.set_index("system")["control"]
    kind = kinds.get(name)
    return f"{name} ({kind} control)" if exists(kind) else name


def seed(analysis: Analysis) -> str:
    """What pairs two systems: a seed, or a data set where several are compared."""
    return "seed" if analysis.unit == "run" else "data set"


def level(analysis: Analysis) -> str:
    """The level of the intervals: 95% for an alpha of 0.05."""
    return f"{100 * (1 - analysis.alpha):g}%"
