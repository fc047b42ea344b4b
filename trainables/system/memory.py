"""Clocks and memory gauges that cost nothing while a run is going on."""

from __future__ import annotations

import logging
import resource
import time
from pathlib import Path

import numpy as np
import torch

logger = logging.getLogger(__name__)
GIB = 1024**3


class StepClock:
    """Duration of each step: host time on the CPU, events on the device's own clock on CUDA (read once, at the end)."""

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
        """Turn the marks so far into durations; the next `tick` starts afresh."""
        if self._cuda and self._events:
            self._events[-1].synchronize()
            pairs = zip(self._events, self._events[1:], strict=False)
            self.seconds += [before.elapsed_time(after) / 1000 for before, after in pairs]
        self.seconds += [float(gap) for gap in np.diff(self._marks)]
        self._events, self._marks = [], []

    def median(self) -> float | None:
        """Median seconds a step, or None before the second mark."""
        return float(np.median(self.seconds)) if self.seconds else None


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring the peak anew (Linux resets the resident peak through /proc; elsewhere it is the process's)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        logger.debug("this system does not let a process reset its resident peak; peak memory is the process's own")


def recorded_bytes() -> int:
    """Bytes that CUDA graphs of this process keep for their replays, beyond those that count as allocated."""
    if not torch.cuda.is_available():
        return 0
    own = (part for part in torch.cuda.memory_snapshot() if tuple(part["segment_pool_id"]) != (0, 0))
    return sum(part["total_size"] - part["allocated_size"] for part in own)


def peak_memory_gib(device: torch.device) -> float:
    """Largest memory since the reset: allocated on the device, or resident on the CPU, in GiB.

    A recorded step allocates nothing when it is replayed: what it keeps for that belongs to the peak.
    """
    if device.type == "cuda":
        replaying = torch.cuda.memory_allocated(device) + recorded_bytes()
        return max(torch.cuda.max_memory_allocated(device), replaying) / GIB
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
