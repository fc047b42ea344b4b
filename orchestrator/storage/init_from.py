"""Weights that outlive their run: where a run finds those it starts from (`init_from`), and which runs keep theirs.

If weights are not available, the message says what to do. With `save: best-per-system`, only the best-scoring run of
each system keeps its weights.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.tables.folder import Folder
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from orchestrator.storage import Store


def init_from_folder(store: Store, run: RunSpec) -> Folder | None:
    """Return the folder of saved weights that a run starts from; None if it starts from its model's own."""
    if run.config.init_from is None:
        return None
    return _source(store, run).weights(run.config.init_from)


def problem(store: Store, run: RunSpec) -> str | None:
    """Return why a run cannot start yet, in words; None if it can."""
    run_id = run.config.init_from
    if run_id is None:
        return None
    source = _source(store, run)
    if source.has_weights(run_id):
        return None
    status = source.status(run_id)
    if status is None:
        return _not_run(source, run_id)
    if status == "diverged":
        return f"run {run_id}, which it starts from, diverged: change its settings (orchestrate logs {run_id[:8]})"
    remedy = f"orchestrate forget {run_id} --out {source.location}, then execute it again with `save: best`"
    return f"run {run_id}, which it starts from, is recorded in {source.location} without its weights: {remedy}"


def check_init_from(store: Store, runs: Sequence[RunSpec], coming: Sequence[RunSpec]) -> None:
    """Raise UserError if a run starts from one that is neither recorded nor among those that come first."""
    awaited = {run.run_id for run in coming}
    checked = {(run.start, run.config.init_from): run for run in runs if run.config.init_from not in awaited}
    problems = list(dict.fromkeys(text for run in checked.values() if (text := problem(store, run)) is not None))
    if problems:
        raise UserError("init_from: " + "\ninit_from: ".join(problems))


def _source(store: Store, run: RunSpec) -> Store:
    """Return the results that hold the run whose weights `run` starts from."""
    return store if run.start is None else Store.open(run.start)


def _not_run(source: Store, run_id: str) -> str:
    attempts = source.attempts(run_id)
    if not attempts:
        return f"there is no run {run_id} in {source.location}; name another results directory as DIRECTORY/{run_id}"
    reason = (attempts[-1].message or attempts[-1].status).strip().splitlines()[-1]
    return f"run {run_id}, which it starts from, has no record: {reason} (orchestrate logs {run_id[:8]})"


def keep_the_best(store: Store, cells: Sequence[RunSpec]) -> tuple[str, ...]:
    """Remove the weights of all cells except the best of each system; return the ids of the runs that keep theirs.

    Ties go to the first cell. Weights without a record, or whose record has no score, are left alone.
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
