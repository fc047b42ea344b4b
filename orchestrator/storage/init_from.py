"""Weights that outlive their run: where a run finds those it begins with (`init_from`), and which runs keep theirs.

What to do is always said where weights cannot be had. With `save: best-per-system`, only the run with the best score
of each system keeps its weights.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.tables.folder import Folder
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from orchestrator.storage import Store


def start_folder(store: Store, run: RunSpec) -> Folder | None:
    """The folder of saved weights that a run begins with; None where it begins with its model's own."""
    if run.config.init_from is None:
        return None
    return _place(store, run).weights(run.config.init_from)


def problem(store: Store, run: RunSpec) -> str | None:
    """Why a run cannot begin yet, in words; None where it can."""
    run_id = run.config.init_from
    if run_id is None:
        return None
    place = _place(store, run)
    if place.has_weights(run_id):
        return None
    status = place.status(run_id)
    if status is None:
        return _not_run(place, run_id)
    if status == "diverged":
        return f"run {run_id}, which it starts from, diverged: change its settings (orchestrate logs {run_id[:8]})"
    mend = f"orchestrate forget {run_id} --out {place.location}, then execute it again with `save: best`"
    return f"run {run_id}, which it starts from, is recorded in {place.location} without its weights: {mend}"


def check_starts(store: Store, runs: Sequence[RunSpec], coming: Sequence[RunSpec]) -> None:
    """Raise UserError where a run starts from one that is neither there nor among those that come first."""
    awaited = {run.run_id for run in coming}
    checked = {(run.start, run.config.init_from): run for run in runs if run.config.init_from not in awaited}
    found = list(dict.fromkeys(text for run in checked.values() if (text := problem(store, run)) is not None))
    if found:
        raise UserError("init_from: " + "\ninit_from: ".join(found))


def _place(store: Store, run: RunSpec) -> Store:
    return store if run.start is None else Store.open(run.start)


def _not_run(place: Store, run_id: str) -> str:
    attempts = place.attempts(run_id)
    if not attempts:
        return f"there is no run {run_id} in {place.location}; name another results directory as DIRECTORY/{run_id}"
    reason = (attempts[-1].message or attempts[-1].status).strip().splitlines()[-1]
    return f"run {run_id}, which it starts from, has no record: {reason} (orchestrate logs {run_id[:8]})"


def keep_the_best(store: Store, cells: Sequence[RunSpec]) -> tuple[str, ...]:
    """Remove the weights of all cells but the best of each system; returns the ids of the runs that keep theirs.

    The first of equals counts. Weights that have no record yet, or whose record has no score, are left alone.
    """
    table = store.table("runs")
    frame = None if table is None else table.select(["run_id", "score"]).to_pandas().dropna()
    scores = {} if frame is None else dict(zip(frame["run_id"], frame["score"], strict=True))
    kept = []
    for system in dict.fromkeys(run.system for run in cells):
        scored = [run for run in cells if run.system == system and run.run_id in scores]
        saved = [run for run in scored if store.has_weights(run.run_id)]
        if not saved:
            continue
        sign = 1.0 if saved[0].direction == "maximize" else -1.0
        best = max(saved, key=lambda run: sign * scores[run.run_id])
        kept.append(best.run_id)
        for run in saved:
            if run is not best:
                store.drop_weights(run.run_id)
    return tuple(kept)
