"""The runs of a results directory as rows, the compacted tables completed by what was recorded since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.tables.read import read
from analysis.tables.schema import METRIC_PREFIXES, Corrupt
from orchestrator import html_tables
from orchestrator.config.error_messages import suggestion
from orchestrator.errors import UserError
from orchestrator.storage import Store
from orchestrator.storage.status import Status, status_of

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("system", "seed", "fold", "status", "score", "best_epoch", "seconds_total", "run_id")


@dataclass(frozen=True, eq=False)
class RecordedRuns:
    """`runs`: every recorded run of the current grid, with all columns of the `runs` table, by system, seed and fold.

    `status` counts what became of the whole grid; `warnings` say what is damaged or left out.
    """

    runs: pd.DataFrame
    status: Status
    warnings: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        headings, rows = shown(as_rows(self.runs))
        parts = [html_tables.table(headings, rows), html_tables.table(*self.status.table())]
        return "".join(parts) + html_tables.paragraphs(self.warnings)


def recorded(store: Store) -> RecordedRuns:
    """The recorded runs and how far the sweep is.

    Raises UserError where nothing has run yet, Corrupt for damaged files.
    """
    runs, warnings = _read(store)
    status = status_of(store)
    return RecordedRuns(runs, status, tuple(dict.fromkeys((*warnings, *status.warnings))))


def rows(store: Store) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Every run of the current grid with all columns of the `runs` table, by system and seed; and warnings.

    Raises UserError where nothing has run yet, Corrupt for damaged files.
    """
    runs, warnings = _read(store)
    return as_rows(runs), warnings


def as_rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """The runs as plain values, None for what does not exist."""
    names = [str(name) for name in runs.columns]
    columns = [column.astype(object).where(column.notna(), None).tolist() for _, column in runs.items()]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _read(store: Store) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        results = read([store.address], only_runs=True)
    except Corrupt:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error
    runs = results.runs.sort_values(["system", "seed", "fold"], kind="stable", ignore_index=True)
    return runs, tuple(results.warnings)


def column_of(found: list[dict[str, Any]], name: str) -> str:
    """The column that a person means: one of the table, or a metric, with or without its `metric_`.

    Raises UserError where no run has a value in it.
    """
    filled = {column for row in found for column, value in row.items() if value is not None}
    for column in (name, f"{METRIC_PREFIXES[0]}{name}"):
        if column in filled:
            return column
    known = sorted(column.removeprefix(METRIC_PREFIXES[0]) for column in filled)
    raise UserError(f"no run has a column or metric {name!r}{suggestion(name, known)}")


def ordered(found: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """The runs by a column or metric, smallest first; `-` before its name: largest first. Runs without it come last."""
    column = column_of(found, key.removeprefix("-"))
    having = [row for row in found if row[column] is not None]
    having.sort(key=lambda row: row[column], reverse=key.startswith("-"))
    return [*having, *(row for row in found if row[column] is None)]


def shown(found: list[dict[str, Any]], metric: str | None = None) -> tuple[list[str], list[list[Any]]]:
    """The columns that fit a terminal, without those that are empty throughout; `metric` stands in place of the score.

    Raises UserError for a metric that no run has.
    """
    column = "score" if metric is None else column_of(found, metric)
    columns = [column if name == "score" else name for name in SHOWN]
    columns = [name for name in columns if any(row.get(name) is not None for row in found)]
    headings = [str(metric) if name == column != "score" else name for name in columns]
    return headings, [[row.get(name) for name in columns] for row in found]
