"""Truncated, empty and bit-flipped files: quarantined, restored or built anew, and never believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables.schema import Kind
from orchestrator.config.run_spec import RunSpec
from orchestrator.storage import Store
from tests.faults.clean_sweep import NUM_RUNS, assert_clean, finish, tables
from tests.orchestrator.storage.stores import fill, make_outcome, make_run, read_table


@pytest.fixture
def clean(tmp_path: Path) -> dict[Kind, pd.DataFrame]:
    """The tables of a sweep that nothing happened to."""
    store = Store.open(tmp_path / "clean")
    fill(store, NUM_RUNS)
    store.compact()
    return tables(store)


def _damage_truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _damage_empty(data: bytes) -> bytes:
    return b""


def _damage_flip(data: bytes) -> bytes:
    return data[:60] + bytes([data[60] ^ 4]) + data[61:]


DAMAGES = [_damage_truncate, _damage_empty, _damage_flip]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["runs.parquet", "epochs.parquet", "predictions.parquet", "manifest.json"])
def test_a_damaged_table_is_quarantined_and_built_anew(
    tmp_path: Path, clean: dict[Kind, pd.DataFrame], name: str, damage: Callable[[bytes], bytes]
) -> None:
    store = Store.open(tmp_path / "results")
    finish(store)
    store.compact()
    damaged = damage((tmp_path / "results" / name).read_bytes())
    (tmp_path / "results" / name).write_bytes(damaged)

    assert [damage.path for damage in store.verify()] == [name]
    summary = store.compact()

    assert any(name in problem and f"quarantine/{name}-1" in problem for problem in summary.problems)
    assert summary.pending == ()
    assert (tmp_path / "results/quarantine" / f"{name}-1").read_bytes() == damaged
    assert_clean(store, clean)


def _part(store: Store, run: RunSpec, prefix: str) -> Path:
    (name,) = store.folder(run.run_id).names(prefix)
    return store.folder(run.run_id).local_path / name


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("prefix", ["run.parquet", "epochs-", "predictions-", "record-"])
def test_a_damaged_record_is_quarantined_and_its_run_is_pending(
    tmp_path: Path, clean: dict[Kind, pd.DataFrame], prefix: str, damage: Callable[[bytes], bytes]
) -> None:
    store = Store.open(tmp_path / "results")
    finish(store)
    path = _part(store, make_run(3), prefix)
    path.write_bytes(damage(path.read_bytes()))

    assert len(store.verify()) == 1
    summary = store.compact()

    assert (summary.runs, summary.pending) == (NUM_RUNS - 1, (make_run(3).run_id,))
    assert make_run(3).run_id in summary.problems[0]
    assert make_run(3).run_id not in store.recorded()
    assert 3 not in read_table(store, "runs")["seed"].tolist()
    assert (tmp_path / "results/quarantine" / f"{make_run(3).run_id}-1" / path.name).exists()
    finish(store)
    assert_clean(store, clean)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("prefix", ["run.parquet", "epochs-", "predictions-", "record-"])
def test_a_record_damaged_after_compaction_is_restored_from_the_tables(
    tmp_path: Path, clean: dict[Kind, pd.DataFrame], prefix: str, damage: Callable[[bytes], bytes]
) -> None:
    store = Store.open(tmp_path / "results")
    finish(store)
    store.compact()
    path = _part(store, make_run(2), prefix)
    path.write_bytes(damage(path.read_bytes()))

    assert store.compact().problems == ()
    repaired, left = store.repair()
    assert left == ()
    assert [damage.remedy for damage in repaired] == ["restored from the tables"]
    assert len(store.recorded()) == NUM_RUNS
    assert_clean(store, clean)


def test_committing_over_a_damaged_record_replaces_it(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    fill(store, 1)
    path = _part(store, make_run(0), "run.parquet")
    path.write_bytes(b"")

    assert store.commit(make_run(0), make_outcome(0.5)) is True
    assert store.verify() == ()
    assert (tmp_path / "quarantine" / f"{make_run(0).run_id}-1" / "run.parquet").read_bytes() == b""


@pytest.mark.parametrize("prefix", ["run.parquet", "epochs-", "predictions-", "record-"])
def test_no_flipped_bit_of_a_record_is_ever_believed(tmp_path: Path, prefix: str) -> None:
    store = Store.open(tmp_path)
    fill(store, 4)
    path = _part(store, make_run(3), prefix)
    whole = path.read_bytes()
    for position in range(0, len(whole) * 8, max(1, len(whole) * 8 // 60)):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)

        assert len(store.verify()) == 1, f"bit {position} of {path.name} was believed"
    path.write_bytes(whole)
    assert store.verify() == ()


def test_records_of_two_runs_that_were_swapped_are_noticed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    first, second = fill(store, 2)
    places = [tmp_path / "runs" / run.run_id for run in (first, second)]
    places[0].rename(tmp_path / "runs/swap")
    places[1].rename(places[0])
    (tmp_path / "runs/swap").rename(places[1])

    assert len(store.verify()) == 2
    assert set(store.compact().pending) == {first.run_id, second.run_id}
