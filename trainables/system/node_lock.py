"""A lock among the processes of one node: what is slow and shared is done once, and the others wait for it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def node_lock(path: Path) -> Iterator[None]:
    """Hold the lock of this file; it ends with the process that holds it. Raises OSError where none can be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
