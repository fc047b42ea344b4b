"""Tells the C library to keep freed memory for the next step instead of returning it to the system each time.

A training step frees and asks for the same large blocks again and again. By default glibc maps and unmaps each of them,
and every page is then faulted in and zeroed anew: 19% of a MiniLM step on the CPU (docs/experiments.md).
"""

from __future__ import annotations

import ctypes
import logging
import platform

logger = logging.getLogger(__name__)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1


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


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None
