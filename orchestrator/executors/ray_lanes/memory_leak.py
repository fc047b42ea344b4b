"""Tells whether a worker's memory grows from run to run, so that a leaking lane gets fresh processes."""

from __future__ import annotations

import gc

import psutil
import torch

from orchestrator.executors.lanes import policy
from trainables.system.memory import return_freed_memory
from trainables.training.run_cache import Warm

GIB = 1024**3
HOST_ALLOWANCE_GIB = 2.0
DEVICE_ALLOWANCE_GIB = 0.5


class Memory:
    """Memory after the first run is the baseline; later runs are compared with it, freed pages taken off.

    What is alive then (modules, warm data) stays, and is taken out of the collector's sight: a full collection after
    every run then takes milliseconds instead of 0.3 s (docs/experiments.md).
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._baseline: tuple[float, float] | None = None

    def leak(self, warm: Warm) -> str | None:
        """What has leaked, in words, or None. What is kept warm is let go first where memory has grown."""
        if self._baseline is None:
            self._baseline = self._measured()
            gc.freeze()
            return None
        if self._growth(self._measured()) is None:
            return None
        return_freed_memory()
        if self._growth(self._measured()) is None:
            return None
        warm.clear()
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
        for place, before, after, allowance in zip(("host", "device"), self._baseline, now, allowances, strict=True):
            if policy.leaks(before, after, allowance):
                return f"{place} memory grew from {before:.1f} to {after:.1f} GiB between runs"
        return None
