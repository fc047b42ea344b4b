"""Tells the C library to keep freed memory for the next step instead of returning it to the system each time.

A training step frees and asks for the same large blocks again and again. By default glibc maps and unmaps each of them,
and every page is then faulted in and zeroed anew: 19% of a MiniLM step on the CPU (docs/experiments.md).
Batches of many widths leave holes that no other batch fits into, so that what is kept has to be bounded.
"""

from __future__ import annotations

import ctypes
import logging
import platform

import psutil

logger = logging.getLogger(__name__)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1
GIB = 1024**3
ROOMY_GIB = 3.0


def keep_freed_memory() -> bool:
    """Serve large blocks from memory that this process already has. Returns False where the C library is not glibc."""
    libc = _glibc()
    if libc is None:
        logger.debug("the allocator is left as it is: the C library is not glibc")
        return False
    return bool(libc.mallopt(_M_MMAP_MAX, 0)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST))


def return_freed_memory() -> None:
    """Give back what is free right now (between two runs)."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


class KeptMemory:
    """Bounds what a process keeps: above `roomy_gib`, and twice of what was left the last time, it is given back.

    The second part is for models that need as much: theirs is not given back again and again.
    """

    def __init__(self, roomy_gib: float = ROOMY_GIB) -> None:
        self._allowed = roomy_gib

    def check(self) -> bool:
        """Look at the resident memory; whether freed memory was given back. Takes microseconds where it is not."""
        if _resident_gib() <= self._allowed:
            return False
        return_freed_memory()
        self._allowed = max(self._allowed, 2 * _resident_gib())
        return True


def _resident_gib() -> float:
    return float(psutil.Process().memory_info().rss) / GIB


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None
