"""How a process ends whose Ray cluster was lost: at once, for Ray ends it with a code of its own once it shuts down.

Threads that wait for an answer of the cluster cannot be woken. Ray's shutdown fails them all, and the first that then
calls Ray again, be it to drop a reference, makes Ray end the process with code 1.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

_cluster_was_lost = threading.Event()


def note_lost_cluster() -> None:
    """This process has a connection to a cluster that is gone."""
    _cluster_was_lost.set()


def held(target: Callable[..., None], *arguments: Any) -> None:
    """For a thread that waits for Ray: call the target; when Ray's shutdown fails it, stay here for good.

    The exception keeps the target's frames, so that no reference in them is dropped.
    """
    try:
        target(*arguments)
    except SystemExit:
        threading.Event().wait()


def end(code: int) -> None:
    """End the process with this code if it has lost a cluster; else return. What was written is flushed first."""
    if not _cluster_was_lost.is_set():
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
