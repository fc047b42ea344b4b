"""Measures step times and memory at no cost to the run, and keeps freed memory for the next step.

A training step frees and requests the same large blocks again and again. By default glibc maps and unmaps each of them,
and every page is faulted in and zeroed again: 19% of a MiniLM step on the CPU (docs/experiments.md). So the C library
is set to keep freed memory. Batches of many widths leave holes that no other batch fits into, so the kept memory needs
a limit.
"""

from __future__ import annotations

import ctypes
import logging
import platform
import resource
import time
from pathlib import Path

import numpy as np
import psutil
import torch

logger = logging.getLogger(__name__)
GIB = 1024**3
ROOMY_GIB = 3.0
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1


class StepClock:
    """Measures each step: host time on the CPU, events on the device's own clock on CUDA (read once, at the end)."""

    def __init__(self, device: torch.device) -> None:
        """Start at the first `tick`."""
        self._cuda = device.type == "cuda"
        self._events: list[torch.cuda.Event] = []
        self._marks: list[float] = []
        self.seconds: list[float] = []

    def tick(self) -> None:
        """Mark the end of a step (and once, before the first)."""
        if not self._cuda:
            self._marks.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._events.append(event)

    def pause(self) -> None:
        """Turn the marks so far into durations; the next `tick` starts anew."""
        if self._cuda and self._events:
            self._events[-1].synchronize()
            pairs = zip(self._events, self._events[1:], strict=False)
            self.seconds += [before.elapsed_time(after) / 1000 for before, after in pairs]
        self.seconds += [float(gap) for gap in np.diff(self._marks)]
        self._events, self._marks = [], []

    def median(self) -> float | None:
        """Return the median seconds per step, or None before the second mark."""
        return float(np.median(self.seconds)) if self.seconds else None


def reset_peak_memory(device: torch.device) -> None:
    """Restart measuring the peak (Linux resets it through /proc; elsewhere it covers the whole process)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        logger.debug("this system does not let a process reset its resident peak; peak memory covers the whole process")


def captured_bytes() -> int:
    """Return the bytes that this process's CUDA graphs keep for replays, beyond those that count as allocated."""
    if not torch.cuda.is_available():
        return 0
    own = (part for part in torch.cuda.memory_snapshot() if tuple(part["segment_pool_id"]) != (0, 0))
    return sum(part["total_size"] - part["allocated_size"] for part in own)


def peak_memory_gib(device: torch.device) -> float:
    """Return the largest memory since the reset, in GiB: allocated on the device, or resident on the CPU.

    Replaying a captured step allocates nothing, so the memory that it keeps for replays counts toward the peak.
    """
    if device.type == "cuda":
        replaying = torch.cuda.memory_allocated(device) + captured_bytes()
        return max(torch.cuda.max_memory_allocated(device), replaying) / GIB
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def keep_freed_memory() -> bool:
    """Serve large blocks from memory that this process already has. Return False if the C library is not glibc."""
    libc = _glibc()
    if libc is None:
        logger.debug("the allocator keeps its defaults: the C library is not glibc")
        return False
    return bool(libc.mallopt(_M_MMAP_MAX, 0)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST))


def return_freed_memory() -> None:
    """Return memory that is free now to the system, between two runs."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


class KeptMemory:
    """Limits what a process keeps: freed memory is returned above `roomy_gib` and twice what was left the last time.

    The second limit is for models that need that much, so that their memory is not returned again and again.
    """

    def __init__(self, roomy_gib: float = ROOMY_GIB) -> None:
        self._allowed = roomy_gib

    def check(self) -> bool:
        """Check the resident memory; return whether freed memory was returned. Takes microseconds if it was not."""
        if _resident_gib() <= self._allowed:
            return False
        return_freed_memory()
        self._allowed = max(self._allowed, 2 * _resident_gib())
        return True


def _resident_gib() -> float:
    return float(psutil.Process().memory_info().rss) / GIB


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None
