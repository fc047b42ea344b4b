"""Ends a process that has lost its Ray cluster, at once: a normal shutdown would let Ray choose the exit code.

Threads that wait for a reply from the cluster cannot be woken. Ray's shutdown fails them all, and the first one that
then calls Ray again, if only to drop a reference, makes Ray end the process with code 1.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

_cluster_was_lost = threading.Event()


def note_lost_cluster() -> None:
    """Note that this process is connected to a cluster that is gone."""
    _cluster_was_lost.set()


def call_or_block(target: Callable[..., None], *arguments: Any) -> None:
    """Call the target, in a thread that waits for Ray; if Ray's shutdown makes it fail, block forever.

    The exception keeps the target's frames alive, so no reference in them is dropped.
    """
    try:
        target(*arguments)
    except SystemExit:
        threading.Event().wait()


def end(code: int) -> None:
    """End the process with this code if it has lost a cluster; otherwise return. Output is flushed first."""
    if not _cluster_was_lost.is_set():
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
