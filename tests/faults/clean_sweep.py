"""The oracle of the storage faults: a sweep that nothing happened to, and whether another one ended like it."""

from __future__ import annotations

import pandas as pd

from analysis.tables.schema import VOLATILE_COLUMNS, Kind
from orchestrator.storage import Store
from tests.orchestrator.storage.stores import make_outcome, make_run, read_table

KINDS: tuple[Kind, ...] = ("runs", "epochs", "predictions")
NUM_RUNS = 4


def tables(store: Store) -> dict[Kind, pd.DataFrame]:
    """The compacted tables without their volatile columns."""
    frames = {kind: read_table(store, kind) for kind in KINDS}
    return {
        kind: frame.drop(columns=[name for name in frame if name in VOLATILE_COLUMNS]) for kind, frame in frames.items()
    }


def assert_clean(store: Store, expected: dict[Kind, pd.DataFrame]) -> None:
    """Every run is committed, the tables are the clean run's, and every hash holds."""
    store.compact()
    for kind, frame in tables(store).items():
        pd.testing.assert_frame_equal(frame, expected[kind])
    assert store.verify() == ()


def finish(store: Store) -> None:
    """What the same command does when it runs again: what is missing, and nothing else."""
    recorded = store.recorded()
    for seed in range(NUM_RUNS):
        if make_run(seed).run_id not in recorded:
            assert store.commit(make_run(seed), make_outcome(seed / 100, num_words=seed % 4))
