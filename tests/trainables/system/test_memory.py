"""What a process keeps of its freed memory is bounded."""

from __future__ import annotations

import platform

import psutil
import pytest
import torch

from trainables.system.memory import GIB, KeptMemory, keep_freed_memory


def resident_gib() -> float:
    return float(psutil.Process().memory_info().rss) / GIB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep freed memory")
def test_holes_between_what_is_alive_are_given_back_once_they_are_too_many() -> None:
    assert keep_freed_memory()
    blocks = [torch.ones(1 << 18) for _ in range(400)]  # 1 MiB each
    alive = blocks[::8]
    full = resident_gib()
    del blocks
    assert not KeptMemory(roomy_gib=full + 1).check()
    kept = KeptMemory(roomy_gib=full / 100)
    before = resident_gib()
    assert kept.check()
    assert resident_gib() < before - 0.2, "350 of 400 MiB are free"
    assert not kept.check(), "what is alive is not given back again and again"
    assert all(bool((block == 1).all()) for block in alive)
