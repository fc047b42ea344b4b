"""Two sweeps do not work in one results directory, and a dead one keeps nobody out."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import time
from contextlib import AbstractContextManager
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

import pytest

from analysis.tables.folder import Folder
from orchestrator.cli.session import exit_code
from orchestrator.storage import Locked, Store, lock

FORK = multiprocessing.get_context("fork")
HEARTBEAT_SECONDS, EXPIRY_SECONDS = 0.05, 0.4


def _hold_until_killed(directory: str, ready: EventType) -> None:
    with Store.open(directory, owner="first").lock():
        ready.set()
        time.sleep(60)


def test_a_second_sweep_is_told_who_has_the_directory(tmp_path: Path) -> None:
    with (
        Store.open(tmp_path, owner="first").lock() as holder,
        pytest.raises(Locked) as caught,
        Store.open(tmp_path, owner="second").lock(),
    ):
        pytest.fail("both hold the lock")

    assert caught.value.holder == holder
    assert caught.value.exit_code == 5
    assert f"process {os.getpid()}" in str(caught.value)
    assert "first" in str(caught.value)


def test_the_lock_ends_with_its_context(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for _ in range(2):
        with store.lock("a"):
            assert (tmp_path / "sweep.lock").stat().st_size > 0
        assert (tmp_path / "sweep.lock").stat().st_size == 0


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    ready = FORK.Event()
    process = FORK.Process(target=_hold_until_killed, args=(str(tmp_path), ready))
    process.start()
    assert ready.wait(10)
    with pytest.raises(Locked) as caught, Store.open(tmp_path).lock():
        pytest.fail("the other process holds the lock")
    assert caught.value.holder is not None
    assert caught.value.holder.pid == process.pid
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert (tmp_path / "sweep.lock").stat().st_size > 0
    with Store.open(tmp_path, owner="second").lock() as holder:
        assert holder.owner == "second"


def test_a_lock_file_that_cannot_be_read_still_locks(tmp_path: Path) -> None:
    with Store.open(tmp_path).lock():
        (tmp_path / "sweep.lock").write_text("{")
        with pytest.raises(Locked, match="another sweep"), Store.open(tmp_path).lock():
            pytest.fail("both hold the lock")


def test_a_lock_that_links_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/sweep.lock").symlink_to(tmp_path / "precious")

    with pytest.raises(ValueError, match="through a link"), Store.open(tmp_path / "results").lock():
        pytest.fail("the link was followed")
    assert not (tmp_path / "precious").exists()


@pytest.fixture
def remote() -> Folder:
    return Folder.at(f"memory://{secrets.token_hex(8)}/results")


def _lease(root: Folder, owner: str, expiry: float = EXPIRY_SECONDS) -> AbstractContextManager[lock.Holder]:
    return lock.hold(root, owner, heartbeat_seconds=HEARTBEAT_SECONDS, expiry_seconds=expiry)


def test_a_lease_whose_counter_moves_keeps_others_out(remote: Folder) -> None:
    started, patient = time.monotonic(), 60.0  # as long as a busy machine could hold up the counter
    with _lease(remote, "first", patient), pytest.raises(Locked) as caught, _lease(remote, "second", patient):
        pytest.fail("both hold the lease")

    assert time.monotonic() - started < patient
    assert caught.value.holder is not None
    assert caught.value.holder.owner == "first"
    assert exit_code(caught.value) == 5


def test_a_lease_whose_counter_stands_still_is_taken_over(remote: Folder) -> None:
    with _lease(remote, "dead"):
        left = remote.read("sweep.lock")
    remote.write("sweep.lock", left)

    started = time.monotonic()
    with _lease(remote, "second") as holder:
        assert holder.owner == "second"
        assert time.monotonic() - started >= EXPIRY_SECONDS


def test_a_damaged_lease_does_not_lock_forever(remote: Folder) -> None:
    remote.write("sweep.lock", b"{")

    with _lease(remote, "second") as holder:
        assert holder.owner == "second"


def test_a_lease_is_gone_after_use_and_left_alone_when_lost(remote: Folder, caplog: pytest.LogCaptureFixture) -> None:
    with _lease(remote, "first"):
        assert remote.exists("sweep.lock")
    assert not remote.exists("sweep.lock")

    with _lease(remote, "other"):
        foreign = remote.read("sweep.lock")
    with _lease(remote, "first"):
        remote.write("sweep.lock", foreign)
        time.sleep(4 * HEARTBEAT_SECONDS)
    assert remote.read("sweep.lock") == foreign
    assert "taken over" in caplog.text
