"""`orchestrate results` and `logs`: reads the runs of a results directory, and the log and attempts of one run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from analysis.tables.read import read
from analysis.tables.schema import METRIC_PREFIXES, Corrupt
from orchestrator import html_tables
from orchestrator.config.key_names import suggestion
from orchestrator.errors import UserError
from orchestrator.storage import Attempt, Store
from orchestrator.storage.status import Status, status_of

if TYPE_CHECKING:
    import pandas as pd


SHOWN = ("system", "seed", "fold", "status", "score", "best_epoch", "seconds_total", "run_id")


@dataclass(frozen=True, eq=False)
class RecordedRuns:
    """`runs`: every recorded run of the current grid, with all columns of the `runs` table, by system, seed and fold.

    `status` counts the whole grid by state; `warnings` say what is damaged or left out.
    """

    runs: pd.DataFrame
    status: Status
    warnings: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        headings, rows = shown(as_rows(self.runs))
        parts = [html_tables.table(headings, rows), html_tables.table(*self.status.table())]
        return "".join(parts) + html_tables.paragraphs(self.warnings)


def recorded(store: Store) -> RecordedRuns:
    """Return the recorded runs and how far the sweep is.

    Raises UserError if nothing has run yet, Corrupt for damaged files.
    """
    runs, warnings = _read(store)
    status = status_of(store)
    return RecordedRuns(runs, status, tuple(dict.fromkeys((*warnings, *status.warnings))))


def rows(store: Store) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return every run of the current grid with all columns of the `runs` table, by system and seed; and warnings.

    Raises UserError if nothing has run yet, Corrupt for damaged files.
    """
    runs, warnings = _read(store)
    return as_rows(runs), warnings


def as_rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the runs as plain values, None where there is no value."""
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


def column_of(runs: list[dict[str, Any]], name: str) -> str:
    """Return the column that `name` means: a column of the table, or a metric with or without `metric_`.

    Raises UserError if no run has a value in it.
    """
    filled = {column for row in runs for column, value in row.items() if value is not None}
    for column in (name, f"{METRIC_PREFIXES[0]}{name}"):
        if column in filled:
            return column
    known = sorted(column.removeprefix(METRIC_PREFIXES[0]) for column in filled)
    raise UserError(f"no run has a column or metric {name!r}{suggestion(name, known)}")


def ordered(runs: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Sort the runs by a column or metric, smallest first, or largest first after `-`. Runs without it come last."""
    column = column_of(runs, key.removeprefix("-"))
    with_value = [row for row in runs if row[column] is not None]
    with_value.sort(key=lambda row: row[column], reverse=key.startswith("-"))
    return [*with_value, *(row for row in runs if row[column] is None)]


def shown(runs: list[dict[str, Any]], metric: str | None = None) -> tuple[list[str], list[list[Any]]]:
    """Return headings and rows that fit a terminal, without empty columns; `metric` replaces the score.

    Raises UserError for a metric that no run has.
    """
    column = "score" if metric is None else column_of(runs, metric)
    columns = [column if name == "score" else name for name in SHOWN]
    columns = [name for name in columns if any(row.get(name) is not None for row in runs)]
    headings = [str(metric) if name == column != "score" else name for name in columns]
    return headings, [[row.get(name) for name in columns] for row in runs]


def history(store: Store, run_id: str) -> str:
    """Return the run's log, then its attempts. Raises UserError if nothing was written yet."""
    log, attempts = _written(store, run_id)
    return _joined(log, attempts)


def document(store: Store, run_id: str) -> dict[str, Any]:
    """Return the same for `--json`; `status` is that of the record, None without one. Raises UserError likewise."""
    log, attempts = _written(store, run_id)
    about = {"run_id": run_id, "location": store.location, "status": store.status(run_id)}
    return {**about, "log": log, "attempts": [asdict(attempt) for attempt in attempts]}


def followed(store: Store, run_id: str, *, pause_seconds: float = 1.0) -> Iterator[str]:
    """Yield the same, then what is added, until the run has a record or nothing uses the results directory any more.

    Raises UserError if nothing was written by then.
    """
    log, attempts = "", tuple[Attempt, ...]()
    while True:
        is_over = not store.is_in_use() or store.status(run_id) is not None  # before reading, so that nothing is lost
        now_log, now_attempts = _written(store, run_id) if is_over else _so_far(store, run_id)
        if text := _joined(now_log.removeprefix(log), now_attempts[len(attempts) :]):
            yield text
        if is_over:
            return
        log, attempts = now_log, now_attempts
        time.sleep(pause_seconds)


def _so_far(store: Store, run_id: str) -> tuple[str, tuple[Attempt, ...]]:
    return store.log(run_id) or "", store.attempts(run_id)


def _written(store: Store, run_id: str) -> tuple[str, tuple[Attempt, ...]]:
    log, attempts = _so_far(store, run_id)
    if not log.strip() and not attempts:
        raise UserError(f"run {run_id} has no log in {store.location}; it has not started yet")
    return log, attempts


def _joined(log: str, attempts: tuple[Attempt, ...]) -> str:
    parts = [log, *map(_attempt, attempts)]
    return "\n".join(part.rstrip() for part in parts if part)


def _attempt(attempt: Attempt) -> str:
    when = "" if attempt.finished_at is None else f" at {attempt.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    reason = ": ".join(part for part in (attempt.kind, attempt.message) if part)
    return f"attempt {attempt.number} {attempt.status}{when}" + (f": {reason}" if reason else "")
