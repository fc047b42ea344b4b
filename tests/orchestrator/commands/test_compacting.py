"""A sweep compacts as it goes on: seldom, more seldom the more there is, and never at the cost of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.commands import _execution
from orchestrator.commands._execution import FEWEST, SHARE, Compacting
from orchestrator.executors.events import RunFailed, RunFinished
from orchestrator.storage import Compaction, StorageFull, Store
from tests.orchestrator.storage.stores import make_outcome, make_run


def finished(run_id: str) -> RunFinished:
    """A run that got its record."""
    return RunFinished(run_id, 0, 1, "completed", 0.5, None, 1.0)


class Counting(Store):
    """A store that counts how often it is compacted, and can have a full disk."""

    def __init__(self, root: Store, full: bool = False) -> None:
        super().__init__(root.root, root.owner)
        object.__setattr__(self, "times", [])
        object.__setattr__(self, "full", full)

    def compact(self, recheck: bool = False) -> Compaction:
        """Note that it was asked for."""
        self.times.append(1)  # type: ignore[attr-defined]
        if self.full:  # type: ignore[attr-defined]
            raise StorageFull("no space left")
        return Compaction(0, 0, 0, 0, ("one problem",), ())


def test_records_are_compacted_by_the_hundred_and_later_by_a_share_of_all(tmp_path: Path) -> None:
    store = Counting(Store.open(tmp_path))
    compacting = Compacting(store, 0)
    for number in range(FEWEST):
        assert len(store.times) == 0
        compacting(RunFailed(f"{number:016x}", 0, 1, "crashed", "why", will_retry=True, seconds=1.0))
        compacting(finished(f"{number:016x}"))
    assert len(store.times) == 1
    assert compacting.problems == ("one problem",)
    large = Compacting(store, 10_000)
    for number in range(10_000 // SHARE - 1):
        large(finished(f"{number:016x}"))
    assert len(store.times) == 1
    large(finished("f" * 16))
    assert len(store.times) == 2


def test_a_full_disk_is_left_to_the_end_of_the_sweep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compacting = Compacting(Counting(Store.open(tmp_path), full=True), 0)
    for number in range(FEWEST):
        compacting(finished(f"{number:016x}"))
    assert "could not be brought up to date: no space left" in caplog.text
    assert compacting.problems == ()


def test_what_it_compacts_can_be_read_while_the_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_execution, "FEWEST", 2)
    store, runs = Store.open(tmp_path), [make_run(seed) for seed in range(3)]
    compacting = Compacting(store, 0)
    for run in runs:
        store.commit(run, make_outcome())
        compacting(finished(run.run_id))
    table = store.table("runs")
    assert table is not None
    assert set(table["run_id"].to_pylist()) == {run.run_id for run in runs[:2]}
