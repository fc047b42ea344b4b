"""Outlives a driver that was killed, for as long as it takes to end the processes of its private Ray cluster.

Ray's own processes notice that their driver is gone only after a minute or more, and some not at all. The reaper is a
process of its own that waits for the end of its standard input, which comes when the driver ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

DISMISSED = "dismissed"
SWEEPS = 5
BETWEEN_SWEEPS_SECONDS = 0.2


class Reaper:
    """The driver's end: made before the cluster is; `dismiss` it once the cluster was shut down in order."""

    def __init__(self, temporary: Path) -> None:
        """`temporary`, the cluster's folder, is removed together with its processes."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(temporary)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def watch_over(self, leader: int) -> None:
        """Remember the session that this process leads: it and whatever it starts."""
        self._tell(str(leader))

    def dismiss(self) -> None:
        """There is nothing left to do."""
        self._tell(DISMISSED)
        self._process.communicate()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()


def sessions_of(leaders: Iterable[psutil.Process]) -> set[int]:
    """Their ids, without those that belong to somebody else by now; the id of a session with members is not reused."""
    return {leader.pid for leader in leaders if leader.is_running() or not psutil.pid_exists(leader.pid)}


def members(sessions: set[int]) -> list[psutil.Process]:
    """Every living process of these sessions."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end(sessions: set[int]) -> None:
    """Kill their processes, and those that these were starting at that moment."""
    for _ in range(SWEEPS):
        for process in members(sessions):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(BETWEEN_SWEEPS_SECONDS)


def main() -> None:
    """The argument is the cluster's temporary folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leaders = []
    for line in sys.stdin:
        if line.strip() == DISMISSED:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            leaders.append(psutil.Process(int(line)))
    end(sessions_of(leaders))
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
