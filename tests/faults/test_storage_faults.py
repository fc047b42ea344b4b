"""Kills, damaged files, full and read-only disks: a committed record survives them or is missed, never silently wrong."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest

from analysis.table import VOLATILE_COLUMNS, Kind
from orchestrator.run_spec import RunSpec
from orchestrator.storage import StorageFull, StorageUnwritable, Store
from tests.orchestrator.stores import fill, make_outcome, make_run, read_table
from trainables.engine.folder import Folder

FORK = multiprocessing.get_context("fork")
KINDS: tuple[Kind, ...] = ("runs", "epochs", "predictions")
NUM_RUNS = 4


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass(frozen=True)
class DyingFolder(Folder):
    """A folder whose process ends before its write number `left[0]`, counted from 0 over all its children."""

    left: list[int] = field(default_factory=lambda: [0])
    die: Callable[[], None] = field(default=lambda: None)

    def _count(self) -> None:
        self.left[0] -= 1
        if self.left[0] < 0:
            self.die()

    def write(self, name: str, data: bytes) -> None:
        self._count()
        super().write(name, data)

    def create(self, name: str, data: bytes) -> bool:
        self._count()
        return super().create(name, data)

    def adopt(self, scratch: Path, name: str) -> None:
        self._count()
        super().adopt(scratch, name)

    def move(self, name: str, to: str) -> None:
        self._count()
        super().move(name, to)


def _raise() -> None:
    raise Killed


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(store: Store, after: int, die: Callable[[], None] = _raise) -> Store:
    """The same store, whose process ends before write number `after`."""
    return replace(store, root=DyingFolder(store.root.filesystem, store.root.path, left=[after], die=die))


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


@pytest.fixture
def clean(tmp_path: Path) -> dict[Kind, pd.DataFrame]:
    """The tables of a sweep that nothing happened to."""
    store = Store.open(tmp_path / "clean")
    fill(store, NUM_RUNS)
    store.compact()
    return tables(store)


@pytest.mark.parametrize("after", range(5))
def test_a_kill_before_any_write_of_a_commit_leaves_the_run_pending(
    tmp_path: Path, clean: dict[Kind, pd.DataFrame], after: int
) -> None:
    store = Store.open(tmp_path / "results")
    with pytest.raises(Killed):
        dying(store, after).commit(make_run(0), make_outcome(0.77, num_words=9))

    assert store.recorded() == {}
    assert store.compact().runs == 0
    finish(store)
    assert_clean(store, clean)


def test_a_kill_right_after_the_commit_loses_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    assert dying(store, 5).commit(make_run(0), make_outcome()) is True

    assert store.recorded() == {make_run(0).run_id: "completed"}
    assert store.commit(make_run(0), make_outcome()) is False


@pytest.mark.parametrize("after", range(4))
def test_a_kill_before_any_write_of_a_compaction_is_repaired_by_the_next(
    tmp_path: Path, clean: dict[Kind, pd.DataFrame], after: int
) -> None:
    store = Store.open(tmp_path / "results")
    fill(store, NUM_RUNS - 1)
    store.compact()
    finish(store)
    with pytest.raises(Killed):
        dying(store, after).compact()

    assert set(store.recorded()) == {make_run(seed).run_id for seed in range(NUM_RUNS)}
    assert store.compact().problems == ()
    assert_clean(store, clean)
    assert not list((tmp_path / "results").rglob(".partial-*"))


def _commit_until_killed(directory: str, first: int) -> None:
    store = dying(Store.open(directory), first, _kill)
    finish(store)
    store.compact()


def test_sigkill_at_every_write_of_a_sweep_and_the_same_command_again(
    tmp_path: Path, clean: dict[Kind, pd.DataFrame]
) -> None:
    store = Store.open(tmp_path / "results")
    kept: dict[str, dict[str, bytes]] = {}
    for after in range(1, 9):
        process = FORK.Process(target=_commit_until_killed, args=(str(tmp_path / "results"), after))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        for run_id in store.recorded():
            folder = store.folder(run_id)
            now = {name: folder.read(name) for name in folder.files()}
            assert kept.setdefault(run_id, now) == now

    assert kept
    finish(store)
    assert_clean(store, clean)


def test_sigkill_at_random_times(tmp_path: Path, clean: dict[Kind, pd.DataFrame]) -> None:
    store, generator = Store.open(tmp_path / "results"), random.Random(0)
    for _ in range(10):
        process = FORK.Process(target=_commit_until_killed, args=(str(tmp_path / "results"), 1_000_000))
        process.start()
        time.sleep(generator.uniform(0.0, 0.08))
        process.kill()
        process.join()
    finish(store)

    assert_clean(store, clean)


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

    assert any(name in problem for problem in store.verify())
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
    summary = store.compact(recheck=True)
    assert summary.pending == ()
    assert len(summary.problems) == 1
    assert "restored from the tables" in summary.problems[0]
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
    for position in range(0, len(whole) * 8, max(1, len(whole) * 8 // 150)):
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


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size; the test is skipped where mounting is not permitted."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small tmpfs is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_never_gives_a_half_record_and_says_where(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        store = Store.open(disk / "results")
        fill(store, 1)
        store.compact()
        before = tables(store)
        ballast = disk / "ballast"
        with contextlib.suppress(OSError):
            ballast.write_bytes(b"x" * 1_000_000)

        with pytest.raises(StorageFull, match=str(disk)) as caught:
            store.commit(make_run(1), make_outcome(0.01, num_words=1))
        assert caught.value.exit_code == 4
        with pytest.raises(StorageFull, match=str(disk)):
            store.probe()
        assert list(store.recorded()) == [make_run(0).run_id]
        for kind, frame in tables(store).items():
            pd.testing.assert_frame_equal(frame, before[kind])

        ballast.unlink()
        assert store.commit(make_run(1), make_outcome(0.01, num_words=1)) is True
        assert store.compact().runs == 2
        assert store.verify() == ()
        assert not list(disk.rglob(".partial-*"))


def test_a_disk_that_fills_up_during_compaction_keeps_the_old_tables(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 512) as disk:
        store = Store.open(disk / "results")
        fill(store, 2)
        store.compact()
        before = tables(store)
        store.commit(make_run(2), make_outcome(0.02))
        ballast = disk / "ballast"
        with contextlib.suppress(OSError):
            ballast.write_bytes(b"x" * 1_000_000)

        with pytest.raises(StorageFull, match=str(disk)):
            store.compact()
        for kind, frame in tables(store).items():
            pd.testing.assert_frame_equal(frame, before[kind])
        assert not list(disk.rglob(".partial-*"))
        ballast.unlink()
        assert store.compact().problems == ()
        assert read_table(store, "runs")["seed"].tolist() == [0, 1, 2]


def test_a_read_only_place_is_refused_before_any_run_starts(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        store = Store.open(disk / "results")

        with pytest.raises(StorageUnwritable, match=r"cannot be written .*choose another --out") as caught:
            store.probe()
        assert caught.value.exit_code == 4
        assert store.recorded() == {}


def _commit_with_others(directory: str, number: int, start: Barrier, won: multiprocessing.Queue[int]) -> None:
    start.wait()
    if Store.open(directory, owner=str(number)).commit(make_run(0), make_outcome(number / 10), attempt=1):
        won.put(number)


@pytest.mark.parametrize("repetition", range(3))
def test_of_many_processes_that_commit_a_run_exactly_one_wins(tmp_path: Path, repetition: int) -> None:
    processes, start, won = 4, FORK.Barrier(4), FORK.Queue()
    workers = [
        FORK.Process(target=_commit_with_others, args=(str(tmp_path), number, start, won))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = Store.open(tmp_path)
    winner = won.get(timeout=10)

    assert won.empty()
    assert store.verify() == ()
    store.compact()
    assert read_table(store, "runs")["score"].tolist() == [winner / 10]
    superseded = store.attempts(make_run(0).run_id)
    assert {attempt.owner for attempt in superseded} == {str(number) for number in range(processes)} - {str(winner)}
    assert [attempt.number for attempt in superseded] == [1, 2, 3]
    assert len(store.folder(make_run(0).run_id).names("record-")) == 1
