"""Finds memory leaks of a worker from run to run, so that its lane gets fresh processes. Does not import Ray."""

from __future__ import annotations

import gc

import psutil
import torch

from orchestrator.executors.lanes import policy
from trainables.system.memory import return_freed_memory
from trainables.training.token_cache import RunCache

GIB = 1024**3
HOST_ALLOWANCE_GIB = 2.0
DEVICE_ALLOWANCE_GIB = 0.5


class Memory:
    """Finds memory leaks: compares memory after each run, without freed pages, with that after the first run.

    Objects alive after the first run (modules, cached data) stay, and are frozen for the garbage collector: a full
    collection after every run then takes milliseconds instead of 0.3 s (docs/experiments.md).
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._baseline: tuple[float, float] | None = None

    def leak(self, cache: RunCache) -> str | None:
        """Describe what has leaked; None if nothing has. If memory has grown, clear the cache before judging."""
        if self._baseline is None:
            self._baseline = self._measured()
            gc.freeze()
            return None
        if self._growth(self._measured()) is None:
            return None
        return_freed_memory()
        if self._growth(self._measured()) is None:
            return None
        cache.clear()
        gc.unfreeze()
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return_freed_memory()
        return self._growth(self._measured())

    def _measured(self) -> tuple[float, float]:
        device = torch.cuda.memory_allocated(self._device) / GIB if self._device.type == "cuda" else 0.0
        return psutil.Process().memory_info().rss / GIB, device

    def _growth(self, now: tuple[float, float]) -> str | None:
        assert self._baseline is not None, "the first run sets the baseline"
        allowances = (HOST_ALLOWANCE_GIB, DEVICE_ALLOWANCE_GIB)
        for memory, before, after, allowance in zip(("host", "device"), self._baseline, now, allowances, strict=True):
            if policy.leaks(before, after, allowance):
                return f"{memory} memory grew from {before:.1f} to {after:.1f} GiB between runs"
        return None
