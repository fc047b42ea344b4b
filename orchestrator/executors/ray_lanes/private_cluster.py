"""Keeps a private cluster to this machine and this user: it listens on loopback, and its folder is closed to others.

Ray takes the machine's own address, on which anybody may call, and each of its processes opens the cluster's folders to
all users. That is for clusters of several machines or users.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from orchestrator import ray_private
from orchestrator.executors import loopback

RAY = "r"
LONGEST = 36  # a Unix socket's path has 107 bytes, of which Ray uses up to 71, for its dashboard


def make_folder() -> Path:
    """A folder that only this user enters, with a short path; those of sweeps that were killed are removed.

    Ray's folder is `RAY` inside: it becomes open to all with the first worker, and nobody comes so far.
    """
    usual = Path(tempfile.gettempdir())
    name = f"orchestrate-{os.getpid()}-"
    parent = usual if len(str(usual / f"{name}12345678" / RAY)) <= LONGEST else Path("/tmp")
    for old in parent.glob("orchestrate-*-*"):
        owner = old.name.split("-")[1]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)) and old.stat().st_uid == os.getuid():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """While Ray starts: its node has the loopback address, which it takes where it does not form clusters."""
    with ray_private.FORMS_CLUSTERS.replaced(False):
        yield


def environment(command: Sequence[str], temporary: Path) -> dict[str, str]:
    """What a process of the cluster finds changed: where gangs meet, and where Ray's services put temporary files.

    The raylet's workers keep the user's place for these: compiled graphs lie there from one sweep to the next.
    """
    found = dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), loopback.interface())
    return found if command[0] == ray_private.RAYLET.get() else {**found, "TMPDIR": str(temporary)}
