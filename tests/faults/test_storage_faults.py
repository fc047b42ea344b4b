"""Kills, damaged files, full and read-only disks: a record survives them or is missed, never silently wrong."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables.folder import Folder
from analysis.tables.schema import Kind
from orchestrator.storage import StorageFull, StorageUnwritable, Store
from tests.fault_seed import generator
from tests.faults.clean_sweep import NUM_RUNS, assert_clean, finish, tables
from tests.orchestrator.storage.stores import fill, make_outcome, make_run, read_table

FORK = multiprocessing.get_context("fork")


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


@pytest.mark.fault
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


@pytest.mark.fault
@pytest.mark.parametrize("num_kills", [10, pytest.param(500, marks=pytest.mark.soak)])
def test_sigkill_at_random_times(tmp_path: Path, clean: dict[Kind, pd.DataFrame], num_kills: int) -> None:
    store, random_numbers = Store.open(tmp_path / "results"), generator()
    for _ in range(num_kills):
        process = FORK.Process(target=_commit_until_killed, args=(str(tmp_path / "results"), 1_000_000))
        process.start()
        time.sleep(random_numbers.uniform(0.0, 0.08))
        process.kill()
        process.join()
    finish(store)

    assert_clean(store, clean)


def test_what_a_killed_compaction_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    fill(store, 1)
    store.root.scratch().write_bytes(b"x" * 1000)
    store.compact()

    assert not list(tmp_path.rglob(".partial-*"))


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
