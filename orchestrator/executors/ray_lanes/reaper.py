"""Outlives a driver that was killed, to end the processes of its private Ray cluster.

Ray's own processes notice only after a minute or more that their driver is gone, and some never do. The reaper is a
separate process that waits for the end of its standard input, which comes however the driver ends.
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
    """The driver's handle of the process. Create it before the cluster, `dismiss` it after an orderly shutdown."""

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
        """Watch over the session that this process leads: the process and everything it starts."""
        self._send(str(leader))

    def dismiss(self) -> None:
        """End the reaper: nothing is left to do."""
        self._send(DISMISSED)
        self._process.communicate()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def sessions_of(leaders: Iterable[psutil.Process]) -> set[int]:
    """Return the session ids of these leaders, except ids that others have reused since.

    The id of a session that still has members is not reused.
    """
    return {leader.pid for leader in leaders if leader.is_running() or not psutil.pid_exists(leader.pid)}


def members(sessions: set[int]) -> list[psutil.Process]:
    """Return every living process of these sessions."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
    return processes


def end(sessions: set[int]) -> None:
    """Kill the processes of these sessions, several times: some may just be starting others."""
    for _ in range(SWEEPS):
        for process in members(sessions):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(BETWEEN_SWEEPS_SECONDS)


def main() -> None:
    """Wait for the driver's end, then clean up; the argument is the cluster's temporary folder."""
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
