"""Outlives a driver that was killed, for as long as it takes to end the processes of its private Ray cluster.

Ray's own processes notice that their driver is gone only after a minute or more, and some not at all. The reaper is a
process of its own: it remembers every process below the cluster's roots and waits for the end of its standard input,
which comes when the driver ends, however it ends.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

LOOK_EVERY_SECONDS = 2.0
DISMISSED = b"dismissed"


class Reaper:
    """The driver's end: `dismiss` it once the cluster was shut down in order."""

    def __init__(self, roots: Iterable[psutil.Process], temporary: Path) -> None:
        """Watch over the processes below `roots`; `temporary` is removed with them."""
        command = [sys.executable, "-m", __name__, str(temporary), *(str(root.pid) for root in roots)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def dismiss(self) -> None:
        """There is nothing left to do."""
        self._process.communicate(DISMISSED)


def watch(roots: list[psutil.Process]) -> set[psutil.Process]:
    """Every process seen below `roots` until the driver ended; none if it dismissed the reaper."""
    family = set(roots)
    while not select.select([sys.stdin.buffer], [], [], LOOK_EVERY_SECONDS)[0]:
        family |= _below(roots)
    return set() if sys.stdin.buffer.read() == DISMISSED else family


def end(family: set[psutil.Process]) -> None:
    """Kill them and whatever they have started since."""
    for process in family | _below(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _below(roots: Iterable[psutil.Process]) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.update(root.children(recursive=True))
    return found


def main() -> None:
    """Arguments: the cluster's temporary folder, and the process ids of its roots."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    roots = []
    for pid in sys.argv[2:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            roots.append(psutil.Process(int(pid)))
    family = watch(roots)
    if family:
        end(family)
        shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
