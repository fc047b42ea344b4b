"""What this machine has room for: processors this process may use, memory, free space of a folder's disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

GIB = 2**30


def num_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float:
    """Memory of the machine."""
    import psutil

    return float(psutil.virtual_memory().total) / GIB


def free_gib(folder: Path) -> float:
    """Free space where a folder is, or will be."""
    return shutil.disk_usage(existing(folder)).free / GIB


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
