"""A cluster whose nodes come and go: lanes follow it, and no run is lost with a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from orchestrator.storage import Store
from tests.faults.driver import Driver, assert_as_undisturbed, prepare

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.filterwarnings("default")]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head with one CPU, in processes of its own; this process does not connect to it."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        yield found
    finally:
        found.shutdown()


def test_lanes_grow_with_the_cluster_and_a_dead_node_costs_an_attempt(cluster: Cluster, tmp_path: Path) -> None:
    """Row 4: a second raylet comes and is killed. Its lane says what it waits for, and its run is done elsewhere."""
    scene, out = prepare(tmp_path), tmp_path / "out"
    scene.close_gate()
    with Driver(scene.experiment, out, "--address", cluster.address) as driver:
        driver.wait_for("started on lane 0")
        node = cluster.add_node(num_cpus=1)
        driver.wait_for("started on lane 1")
        cluster.remove_node(node, allow_graceful=False)
        driver.wait_for("lane 1 waits: it needs 1 x 1 CPUs, and the cluster has 1 CPUs and 0 GPUs on 1 node")
        scene.open_gate()
        assert driver.end() == 0, driver.output

    assert "lanes: 2 of 1 worker(s)" in driver.output
    assert "tiny seed 2: failed (lost)" in driver.output
    assert "tiny seed 2: started on lane 0 (attempt 2)" in driver.output
    found = [[attempt.kind for attempt in Store.open(out).attempts(run.run_id)] for run in scene.runs]
    assert found == [[], ["lost"], []]
    assert_as_undisturbed(scene, out)
