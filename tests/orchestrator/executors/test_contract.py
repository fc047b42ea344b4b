"""What every executor promises: one record a run, a failing run harms no other, stopping loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pytest
from ray._common.utils import get_system_memory

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import Executor
from orchestrator.executors.events import (
    Decision,
    EpochReported,
    Event,
    LanesPlanned,
    LaneStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
    Scale,
)
from orchestrator.executors.in_process import InProcess
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import Node
from orchestrator.executors.ray_lanes import connection
from orchestrator.executors.ray_lanes.executor import RayLanes
from orchestrator.storage import Store
from orchestrator.worker.versions import Provenance
from tests.orchestrator.executors.scene import broken_run, crawling, lanes, of_run, open_gate, prepare, tables, tiny_run

MakeExecutor = Callable[[Store], Executor]
pytestmark = pytest.mark.filterwarnings("default")  # Ray warns of its own code, in this process


PROVENANCE = Provenance("1.2.3", "a" * 40, f"{'b' * 40}-dirty")


def in_process(store: Store) -> Executor:
    return InProcess(store, threads=1, provenance=PROVENANCE)


def one_lane(store: Store) -> Executor:
    return lanes(store, lanes=1, provenance=PROVENANCE)


EXECUTORS = [
    pytest.param(in_process, id="in_process"),
    pytest.param(one_lane, id="ray_lanes", marks=pytest.mark.ray),
]


@dataclass(frozen=True)
class Executed:
    """A grid with one failing run, executed."""

    store: Store
    good: list[RunSpec]
    broken: RunSpec
    events: list[Event]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("it's a scene"))


@pytest.fixture(scope="module")
def execute_grid(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[MakeExecutor], Executed]:
    """Each executor executes the grid once; the tests look at what it left."""
    known: dict[MakeExecutor, Executed] = {}

    def execute(make: MakeExecutor) -> Executed:
        if make not in known:
            good, broken = [tiny_run(scene, seed) for seed in range(3)], broken_run(scene)
            found = Executed(Store.open(tmp_path_factory.mktemp("results")), good, broken, [])
            make(found.store).execute([good[0], broken, *good[1:]], found.events.append)
            known[make] = found
        return known[make]

    return execute


@pytest.mark.parametrize("make", EXECUTORS)
def test_every_run_that_can_be_done_has_exactly_one_record(
    make: MakeExecutor, execute_grid: Callable[[MakeExecutor], Executed]
) -> None:
    executed = execute_grid(make)
    assert set(executed.store.recorded()) == {run.run_id for run in executed.good}
    finished = [event.run_id for event in executed.events if isinstance(event, RunFinished)]
    assert sorted(finished) == sorted(run.run_id for run in executed.good)
    assert all(executed.store.attempts(run.run_id) == () for run in executed.good)


@pytest.mark.parametrize("make", EXECUTORS)
def test_a_run_that_raises_becomes_an_attempt_with_its_reason_and_no_record(
    make: MakeExecutor, execute_grid: Callable[[MakeExecutor], Executed]
) -> None:
    executed = execute_grid(make)
    started, failed = of_run(executed.events, executed.broken)
    assert started.attempt == failed.attempt == 1
    assert "no-such-model" in failed.error
    assert not failed.will_retry
    attempts = executed.store.attempts(executed.broken.run_id)
    assert [(attempt.number, attempt.status, attempt.kind) for attempt in attempts] == [(1, "failed", failed.kind)]


@pytest.mark.parametrize("make", EXECUTORS)
def test_events_come_in_order(make: MakeExecutor, execute_grid: Callable[[MakeExecutor], Executed]) -> None:
    executed = execute_grid(make)
    kinds = [type(event) for event in executed.events]
    assert kinds.index(LanesPlanned) < kinds.index(LaneStarted) < kinds.index(RunStarted)
    for run in executed.good:
        assert [type(event) for event in of_run(executed.events, run)] == [
            RunStarted,
            EpochReported,
            EpochReported,
            RunFinished,
        ]
        assert [event.row["epoch"] for event in of_run(executed.events, run)[1:3]] == [1, 2]


@pytest.mark.parametrize("make", EXECUTORS)
def test_every_record_says_what_the_driver_knows_of_the_code(
    make: MakeExecutor, execute_grid: Callable[[MakeExecutor], Executed]
) -> None:
    executed = execute_grid(make)
    for run in executed.good:
        said = {name: executed.store.recorded_value(run.run_id, name) for name in asdict(PROVENANCE)}
        assert said == asdict(PROVENANCE)


@pytest.mark.ray
def test_a_warm_lane_gives_bit_for_bit_what_a_cold_process_gives(
    execute_grid: Callable[[MakeExecutor], Executed], tmp_path: Path
) -> None:
    """On the lane each run follows others; here each has caches of its own, and they come in the opposite order."""
    warm = execute_grid(one_lane)
    cold = Store.open(tmp_path)
    for run in reversed(warm.good):
        in_process(cold).execute([run], lambda event: None)
    ours, theirs = tables(warm.store), tables(cold)
    executed = ours["runs"][ours["runs"]["status"] != "failed"].reset_index(drop=True)
    pd.testing.assert_frame_equal(executed, theirs["runs"], check_exact=True, check_dtype=False)
    for kind in ("epochs", "predictions"):
        pd.testing.assert_frame_equal(ours[kind], theirs[kind], check_exact=True)


@pytest.mark.parametrize("make", EXECUTORS)
def test_a_stopped_run_stays_pending_and_the_next_execution_ends_like_one_without_a_stop(
    make: MakeExecutor, scene: Path, tmp_path: Path
) -> None:
    store, runs = Store.open(tmp_path / "stopped"), [crawling(scene, tmp_path, 7), tiny_run(scene, 8)]
    executor, events = make(store), []

    def stop_after_two_epochs(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochReported) and event.row["epoch"] == 2:
            executor.stop("checkpoint")

    executor.execute(runs, stop_after_two_epochs)
    assert store.recorded() == {}
    assert of_run(events, runs[0])[-1] == RunStopped(runs[0].run_id, 0, 1, checkpoint=True)
    assert of_run(events, runs[1]) == []
    assert not any(isinstance(event, RunFailed) for event in events)

    again: list[Event] = []
    open_gate(runs[0])
    in_process(store).execute(runs, again.append)
    assert set(store.recorded()) == {run.run_id for run in runs}
    first = next(event for event in again if isinstance(event, EpochReported))
    assert first.row["epoch"] > 2, "the run went on from its checkpoint"
    clean = Store.open(tmp_path / "clean")
    in_process(clean).execute(runs, lambda event: None)
    for kind in ("runs", "epochs", "predictions"):
        pd.testing.assert_frame_equal(tables(store)[kind], tables(clean)[kind], check_exact=True)


@pytest.mark.parametrize("make", EXECUTORS)
def test_stopping_at_once_ends_soon_and_leaves_no_record(make: MakeExecutor, scene: Path, tmp_path: Path) -> None:
    store, run = Store.open(tmp_path), tiny_run(scene, 9, epochs=100_000)
    executor, events = make(store), []

    def stop_at_once(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochReported):
            executor.stop("now")

    executor.execute([run], stop_at_once)
    assert store.recorded() == {}
    assert isinstance(events[-1], RunStopped)


@pytest.mark.parametrize("make", EXECUTORS)
def test_what_a_listener_raises_ends_the_execution(make: MakeExecutor, scene: Path, tmp_path: Path) -> None:
    def refuse(event: Event) -> None:
        if isinstance(event, LanesPlanned):
            raise LookupError("the listener has had enough")

    with pytest.raises(LookupError, match="had enough"):
        make(Store.open(tmp_path)).execute([tiny_run(scene, 10)], refuse)


@pytest.mark.ray
def test_lanes_are_laid_out_for_the_whole_grid_and_not_for_what_is_left_of_it(scene: Path, tmp_path: Path) -> None:
    planned: list[LanesPlanned] = []

    def look(event: Event) -> None:
        if isinstance(event, LanesPlanned):
            planned.append(event)
            raise LookupError("that is all there was to see")

    for scale in (None, Scale(2, 4)):
        with pytest.raises(LookupError, match="all there was"):
            RayLanes(Store.open(tmp_path), lanes=2).execute([tiny_run(scene, 10)], look, scale=scale)
    alone, left = planned
    assert (alone.lanes, left.lanes) == (1, 1)
    assert left.cpus_per_worker == policy.plan(2, [Node(alone.cpus_per_worker, 0, 64)], lanes=2).cpus_per_worker
    assert left.cpus_per_worker < alone.cpus_per_worker
    memory = sum(node.memory_gib for node in connection.living_nodes())
    assert memory == pytest.approx(connection.MEMORY_SHARE * get_system_memory() / 2**30, rel=0.01)


@pytest.mark.parametrize("make", EXECUTORS)
def test_nothing_to_do_is_done_without_an_event(make: MakeExecutor, tmp_path: Path) -> None:
    events: list[Event] = []
    make(Store.open(tmp_path)).execute([], events.append)
    assert events == []


@dataclass
class OneOfEach:
    """Prunes the first run after its first epoch, interrupts the second one once, and begins each when it is time."""

    pruned: RunSpec
    paused: RunSpec
    coming: int = 2

    def react(self, event: Event) -> Decision:
        if isinstance(event, EpochReported) and event.row["epoch"] == 1:
            name = "prune" if event.run_id == self.pruned.run_id else "pause"
            return Decision(coming=self.coming, **{name: (event.run_id,)})
        start: tuple[RunSpec, ...] = ()
        if isinstance(event, RunFinished) and event.run_id == self.pruned.run_id:
            start, self.coming = (self.paused,), 1
        elif isinstance(event, RunStopped):
            open_gate(self.paused)
            start, self.coming = (self.paused,), 0
        return Decision(start, coming=self.coming)


@pytest.mark.parametrize("make", EXECUTORS)
def test_a_steered_execution_adds_prunes_and_interrupts_runs(make: MakeExecutor, scene: Path, tmp_path: Path) -> None:
    store, pruned, paused = Store.open(tmp_path), crawling(scene, tmp_path, 1), crawling(scene, tmp_path, 2)
    events: list[Event] = []
    make(store).execute([pruned], events.append, OneOfEach(pruned, paused))

    assert store.recorded() == {pruned.run_id: "pruned", paused.run_id: "completed"}
    told = [type(event) for event in of_run(events, paused) if not isinstance(event, EpochReported)]
    assert told == [RunStarted, RunStopped, RunStarted, RunFinished]
    assert [event.paused for event in of_run(events, paused) if isinstance(event, RunStopped)] == [True]
    epochs = [event.row["epoch"] for event in of_run(events, paused) if isinstance(event, EpochReported)]
    assert epochs == [1, 2, 3, 4, 5, 6], "it went on from its checkpoint"
    kept = tables(store)["epochs"]
    assert (kept["run_id"] == pruned.run_id).sum() < 6, "a pruned run leaves the epochs that it has done"
