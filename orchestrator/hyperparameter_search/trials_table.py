"""Trials and the tables: applies what records say about trials, and builds the table with one row per trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.config.search import Search
from orchestrator.config.search_space import search_id
from orchestrator.hyperparameter_search.study import Study
from orchestrator.storage import Store


def update_from_tables(store: Store, studies: Sequence[Study]) -> None:
    """Update the studies with the statuses and scores of recorded trials from the compacted tables."""
    runs, epochs = store.table("runs"), store.table("epochs")
    rows = [] if runs is None else runs.select(["run_id", "status"]).to_pylist()
    recorded = {row["run_id"]: row["status"] for row in rows if row["status"] != "failed"}
    reported = [] if epochs is None else epochs.to_pylist()
    for study in studies:
        trials = {run.run_id for run in study.runs.values()}
        scores: dict[str, dict[int, float]] = {}
        for row in reported:
            value = row.get(f"metric_{study.metric}")
            if row["run_id"] in trials and value is not None:
                scores.setdefault(row["run_id"], {})[row["epoch"]] = value
        study.settle(recorded, scores)


def trial_rows(store: Store, wanted: Search, studies: Sequence[Study]) -> list[dict[str, Any]]:
    """Return the rows of `trials.parquet`: every system's first trial, every system's second one, and so on."""
    table = store.table("runs")
    runs = {row["run_id"]: row for row in ([] if table is None else table.to_pylist())}
    rows = []
    for number in sorted({number for study in studies for number in study.trials}):
        rows += [_row(study, number, search_id(wanted), runs) for study in studies if number in study.trials]
    return rows


def seconds_spent(store: Store, studies: Iterable[Study]) -> float:
    """Return how long trials have run so far: the time that their records cover, without gaps, overlaps once."""
    table = store.table("runs")
    if table is None:
        return 0.0
    trials = {run.run_id for study in studies for run in study.runs.values()}
    rows = table.select(["run_id", "started_at", "finished_at"]).to_pylist()
    spans = [(row["started_at"], row["finished_at"]) for row in rows if row["run_id"] in trials and row["finished_at"]]
    return covered(spans)


def covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Return the seconds that lie in at least one of the spans."""
    total, until = 0.0, None
    for start, end in sorted(spans):
        begin = start if until is None else max(start, until)
        total += max(0.0, (end - begin).total_seconds())
        until = end if until is None else max(until, end)
    return total


def _row(study: Study, number: int, search: str, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    trial, run = study.trials[number], study.runs[number]
    record = runs.get(run.run_id, {})
    return {
        "search": search,
        "trial": number,
        "run_id": run.run_id,
        "system": study.system.name,
        "model": study.system.model,
        "recipe": study.system.recipe,
        "seed": run.config.seed,
        "proposed_by": study.proposed_by[number],
        "parameters": dict(trial.values),
        "status": trial.state if trial.is_over else "pending",
        "score": record.get("score"),
        "best_score": study.shown(trial.best),
        "epochs": trial.epoch,
        "seconds": record.get("seconds_total"),
        "started_at": record.get("started_at"),
        "finished_at": record.get("finished_at"),
    }
