"""A table of another tool as text, and the options that say what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

MOST_ROWS_NAMED = 5
_SEPARATORS = re.compile(r"[\s_\-./:@]+")
_PREFIXES = (
    *("params.", "params_", "params/", "param.", "config.", "config/", "config_", "hparams.", "hparams/", "args."),
    *("metrics.", "summary.", "user_attrs_", "data.", "results."),
)


class Refused(ValueError):
    """A table that cannot be read without guessing; the message names the file, the row or column, and the remedy."""


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean, where a person says it: the options of `analyze`.

    `system` lists columns whose values are joined; the columns of `ignore` are no settings. `metric` is the metric that
    is compared (`compare.metric`), which can choose the score column or the rows of one metric.
    """

    score: str | None = None
    system: tuple[str, ...] = ()
    seed: str | None = None
    item: str | None = None
    ignore: tuple[str, ...] = ()
    metric: str | None = None

    @classmethod
    def named(
        cls,
        score: str | None,
        system: str | Sequence[str],
        seed: str | None,
        item: str | None,
        ignore: str | Sequence[str],
    ) -> Columns:
        """Return the columns where `system` and `ignore` may each be a single name."""
        several = [(names,) if isinstance(names, str) else tuple(names) for names in (system, ignore)]
        return cls(score=score, system=several[0], seed=seed, item=item, ignore=several[1])

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are typed."""
        values = {"--score": self.score, "--system": self.system, "--seed": self.seed, "--item": self.item}
        return [name for name, value in (values | {"--ignore": self.ignore}).items() if value]


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of one source: text as written, None where a cell is empty; the index is the row's number - 1.

    `notes` say how it was read. `kind` is what it was recognised as (None: a plain table), `named_by` the system that
    the file's own name stands for if no column does, and `rows_are_seeds` whether rows pair the systems.
    """

    label: str
    cells: pd.DataFrame
    notes: tuple[str, ...] = ()
    kind: str | None = None
    named_by: str | None = None
    settings: frozenset[str] = field(default_factory=frozenset)
    outcomes: frozenset[str] = field(default_factory=frozenset)

    def noted(self, *notes: str) -> Table:
        """Return the table with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [str(name) for name in self.cells.columns]

    def values(self, name: str) -> list[str]:
        """Return the distinct values of a column, in the order of the rows, `(empty)` for none."""
        return ["(empty)" if value is None else str(value) for value in dict.fromkeys(self.cells[name].tolist())]


def rows_named(rows: Sequence[int]) -> str:
    """Return `row 3` or `row 3, 4, ...` for row indices, which count from 0."""
    shown = ", ".join(str(row + 1) for row in rows[:MOST_ROWS_NAMED])
    return f"row {shown}{', ...' if len(rows) > MOST_ROWS_NAMED else ''}"


def listed(values: Sequence[str], most: int = 6) -> str:
    """Join values with commas, and say how many more there are."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def plain_name(name: str) -> str:
    """Return a column's name in lower case with `_` between words, without the prefix that a tool adds."""
    text = name.strip()
    prefix = next((prefix for prefix in _PREFIXES if text.lower().startswith(prefix) and len(text) > len(prefix)), "")
    return _SEPARATORS.sub("_", text[len(prefix) :].lower()).strip("_")


def words_of(name: str) -> frozenset[str]:
    """Return the words in a column's name, in lower case."""
    return frozenset(plain_name(re.sub(r"([a-z])([A-Z])", r"\1_\2", name)).split("_"))


def as_text(value: Any) -> str | None:
    """Return a typed value as a person would write it; None for a missing one."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return None if value != value else repr(int(value)) if _is_small_whole(value) else repr(value)
    return str(value)


def _is_small_whole(value: float) -> bool:
    """Return whether a float holds a whole number exactly: columns of whole numbers with gaps are floats."""
    return abs(value) < 2**53 and value == int(value)
