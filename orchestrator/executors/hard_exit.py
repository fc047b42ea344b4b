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


def start_thread(name: str, target: Callable[..., None], *arguments: Any) -> threading.Thread:
    """Start a daemon thread that may wait for Ray. It does not keep the process alive.

    When Ray's shutdown makes the target fail, the thread blocks forever: the exception keeps the target's frames alive,
    so no reference in them is dropped.
    """
    thread = threading.Thread(target=_call_or_block, args=(target, *arguments), name=name, daemon=True)
    thread.start()
    return thread


def end(code: int) -> None:
    """End the process with this code if it has lost a cluster; otherwise return. Output is flushed first."""
    if not _cluster_was_lost.is_set():
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _call_or_block(target: Callable[..., None], *arguments: Any) -> None:
    try:
        target(*arguments)
    except SystemExit:
        threading.Event().wait()
