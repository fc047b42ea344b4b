"""One Ray cluster for all tests that share it: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orchestrator.executors.scene import ray_here


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A private cluster of two CPUs on this machine, which executors find and leave open."""
    with ray_here():
        yield


@pytest.fixture(autouse=True)
def _cluster_where_marked(request: pytest.FixtureRequest) -> None:
    """Tests marked `ray` here use the shared cluster."""
    if request.node.get_closest_marker("ray"):
        request.getfixturevalue("ray_cluster")
