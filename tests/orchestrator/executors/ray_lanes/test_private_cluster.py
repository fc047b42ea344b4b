"""A private cluster is only this user's: its folder, what its processes are told, and where its ranks meet."""

from __future__ import annotations

import datetime
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from ray._private import services

from orchestrator.executors.loopback import LOOPBACK
from orchestrator.executors.ray_lanes import connection
from orchestrator.executors.ray_lanes.rendezvous import create_store
from tests.faults.doors import listening


def test_only_this_user_enters_the_folder_and_what_a_killed_sweep_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, others = tmp_path / f"orchestrate-{gone.pid}-abc", tmp_path / f"orchestrate-{os.getppid()}-abc"
    left.mkdir()
    others.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(connection, "LONGEST", len(str(tmp_path)) + 100)
    found = connection.make_folder()
    assert (found.parent, stat.S_IMODE(found.stat().st_mode)) == (tmp_path, 0o700)
    assert (left.exists(), others.exists()) == (False, True)


def test_the_folder_is_where_the_paths_of_ray_s_sockets_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/scratch/someone")
    found = connection.make_folder()
    found.rmdir()
    assert found.parent == Path("/tmp")
    longest = "session_2026-11-28_09-41-02_570124_4194304/sockets/dash_TaskEventsHead"
    assert len(str(found / connection.RAY / longest)) <= 107


def test_ranks_meet_on_loopback_and_only_the_raylet_s_workers_keep_the_user_s_place_for_temporary_files() -> None:
    temporary = Path("/private")
    raylet = connection.process_environment([services.RAYLET_EXECUTABLE, "--x"], temporary)
    other = connection.process_environment([sys.executable, "dashboard.py"], temporary)
    assert other == {**raylet, "TMPDIR": "/private"}
    assert set(raylet) == {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"}
    for name in raylet.values():
        assert LOOPBACK in {known.address for known in psutil.net_if_addrs()[name]}


@pytest.mark.parametrize(("address", "is_local"), [(LOOPBACK, True), ("0.0.0.0", False)])
def test_the_store_of_a_group_that_meets_on_loopback_listens_nowhere_else(address: str, is_local: bool) -> None:
    before = set(listening([psutil.Process()]))
    with socket.create_server((address, 0)) as found:
        port = found.getsockname()[1]
    store = create_store(address, port, 0, 1, datetime.timedelta(seconds=10))
    store.set("key", "value")
    assert store.get("key") == b"value"
    (door,) = set(listening([psutil.Process()])) - before
    assert (door.port, door.is_local) == (port, is_local)
