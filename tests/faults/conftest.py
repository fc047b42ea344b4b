"""One Ray cluster for the faults that leave it standing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orchestrator.executors.scene import ray_here


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A private cluster of this machine's CPUs, which executors find and leave open.

    It is gone with the module: a process that is connected to a node on loopback cannot start a cluster elsewhere.
    """
    with ray_here():
        yield
