"""Measures this machine: processors that this process may use, memory, and free disk space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

GIB = 2**30


def num_cpus() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float:
    """Return the machine's memory in GiB."""
    import psutil

    return float(psutil.virtual_memory().total) / GIB


def free_gib(folder: Path) -> float:
    """Return the free disk space in GiB where a folder is, or will be."""
    return shutil.disk_usage(existing(folder)).free / GIB


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest folder above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
