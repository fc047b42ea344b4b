"""What looks for open doors finds them: a socket on all addresses, and what other users could open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.faults.doors import listening, open_to_others

LISTENER = "import socket, sys; _ = socket.create_server((sys.argv[1], 0)); print(flush=True); sys.stdin.read()"


@pytest.mark.parametrize(("address", "is_local"), [("0.0.0.0", False), ("127.0.0.1", True)])
def test_a_socket_is_local_only_where_it_is_bound_to_loopback(address: str, is_local: bool) -> None:
    command = [sys.executable, "-c", LISTENER, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (door,) = listening([psutil.Process(process.pid)])
        process.communicate()
    assert (door.address, door.is_local) == (address, is_local)


def test_whatever_others_could_open_is_named_unless_a_closed_folder_is_on_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "closed" / "within").mkdir(parents=True)
    (folder / "closed" / "within").chmod(0o777)
    (folder / "closed").chmod(0o700)
    (folder / "log").touch()
    (folder / "log").chmod(0o640)
    (folder / "link").symlink_to("log")
    folder.chmod(0o777)
    assert open_to_others(folder) == [f"drwxrwxrwx {folder}", f"-rw-r----- {folder / 'log'}"]
    folder.chmod(0o700)
    assert open_to_others(folder) == []
