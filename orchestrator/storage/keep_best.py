"""`save: best-per-system`: of each system only the run with the best score keeps its weights."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.config.run_spec import RunSpec
from orchestrator.storage import Store


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
