"""The runs of a results directory as rows, the compacted tables completed by what was recorded since."""

from __future__ import annotations

from typing import Any

from analysis.results import read
from analysis.table import Corrupt
from orchestrator.errors import UserError
from orchestrator.storage import Store

SHOWN = ("system", "seed", "fold", "status", "score", "best_epoch", "seconds_total", "run_id")


def rows(store: Store) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Every run of the current grid with all columns of the `runs` table, by system and seed; and warnings.

    Raises UserError where nothing has run yet, Corrupt for damaged files.
    """
    try:
        results = read([store.location])
    except Corrupt:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error
    frame = results.runs.sort_values(["system", "seed", "fold"], kind="stable")
    values = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in values.to_dict("records")], results.warnings


def shown(found: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """The columns that fit a terminal, without those that are empty throughout."""
    columns = [name for name in SHOWN if any(row.get(name) is not None for row in found)]
    return columns, [[row.get(name) for name in columns] for row in found]
