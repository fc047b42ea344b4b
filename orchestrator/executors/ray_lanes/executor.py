"""Executes runs on Ray: lanes of warm workers, scheduled by Ray Tune, on this machine or on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from analysis.tables.folder import Folder
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import ClusterLost
from orchestrator.executors import StopMode
from orchestrator.executors.events import ClusterReady, Event, FixedGrid, RunSource, Scale
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.state import scheduled_runs
from orchestrator.executors.ray_lanes.connection import Cluster, connected
from orchestrator.executors.ray_lanes.metrics import SweepMetrics
from orchestrator.executors.ray_lanes.session import Session, StoppedAtOnce
from orchestrator.executors.ray_lanes.session_actors import ControlLost, SessionPlan, planned
from orchestrator.storage import Store
from orchestrator.worker.versions import Provenance
from trainables.training.run import ComputeOptions as RunLayout

SESSIONS = 4
RAY_FILES = ".ray"


class RayLanes:
    """The Executor that runs sweeps. `lanes` None and `workers_per_run` "auto" choose what finishes the grid first.

    `address` None starts a private cluster on this machine; otherwise the driver must run inside that cluster.
    `gpus_per_worker` None means one if there are GPUs; fractions need lanes of one worker. `threads` is the number
    torch may use in a worker; None means one per CPU that the worker reserves.
    """

    def __init__(
        self,
        store: Store,
        *,
        lanes: int | None = None,
        workers_per_run: int | Literal["auto"] = "auto",
        gpus_per_worker: float | None = None,
        address: str | None = None,
        limits: Limits | None = None,
        run_layout: RunLayout | None = None,
        provenance: Provenance | None = None,
        threads: int | None = None,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._workers_per_run = workers_per_run
        self._gpus_per_worker = gpus_per_worker
        self._address = address
        self._limits = limits or Limits()
        self._run_layout = run_layout or RunLayout()
        self._provenance = provenance or Provenance()
        self._threads = threads
        self._mode: StopMode | None = None

    def stop(self, mode: StopMode) -> None:
        """See Executor.stop."""
        self._mode = mode

    def execute(
        self,
        runs: Sequence[RunSpec],
        on_event: Callable[[Event], None],
        run_source: RunSource | None = None,
        scale: Scale | None = None,
    ) -> None:
        """See Executor.execute."""
        if not runs or self._mode is not None:
            return
        run_source = run_source or FixedGrid()
        with connected(self._address, self._limits.start_seconds, self._limits.stall_seconds) as cluster:
            metrics = SweepMetrics(runs, self._store)
            on_event, run_source = metrics.publishing(on_event), metrics.counting(run_source)
            totals = {"CPU": sum(node.cpus for node in cluster.nodes), "GPU": sum(node.gpus for node in cluster.nodes)}
            ready = ClusterReady(cluster.address, cluster.dashboard, len(cluster.nodes), totals, cluster.needs_token)
            on_event(ready)
            to_do = len(runs) + run_source.react(ready).coming
            layout = policy.reduced(self._layout(scale or replace(Scale.of(runs), runs=to_do), cluster), to_do)
            on_event(planned(layout))
            decision = run_source.react(planned(layout))
            with self._ray_files(cluster) as storage:
                plan = SessionPlan(
                    self._store,
                    cluster,
                    layout,
                    self._limits,
                    self._run_layout,
                    self._provenance,
                    storage,
                    grows=self._lanes is None,
                    runs=scheduled_runs([*runs, *decision.start], self._store),
                    coming=decision.coming,
                )
                self._sessions(plan, on_event, run_source)

    def _layout(self, scale: Scale, cluster: Cluster) -> policy.LaneLayout:
        layout = policy.plan(
            scale.runs,
            cluster.nodes,
            lanes=self._lanes,
            workers_per_run=self._workers_per_run,
            gpus_per_worker=self._gpus_per_worker,
            batch_size=scale.batch_size,
        )
        return replace(layout, threads=self._threads or layout.threads)

    def _sessions(self, plan: SessionPlan, on_event: Callable[[Event], None], run_source: RunSource) -> None:
        """Run one session, and another with the pending runs each time the control actor dies.

        Ending a whole systemd unit or job step signals Ray's processes together with this one, so a cluster that is
        lost after a request to stop counts as stopped.
        """
        for number in range(SESSIONS):
            if self._mode is not None:
                return
            started = time.monotonic()
            numbered = replace(plan, storage=f"{plan.storage}/{number}")
            session = Session(numbered, on_event, lambda: self._mode, run_source)
            try:
                session.run()
                return
            except StoppedAtOnce:
                session.stop_working()
                return
            except (ControlLost, ClusterLost) as error:
                if self._mode is not None:
                    session.stop_working()
                    return
                if isinstance(error, ClusterLost):
                    raise
                session.lose_working()
                pending = scheduled_runs([each.run for each in session.pending], self._store)
                if not pending:
                    return
                plan = replace(plan, runs=pending, coming=session.coming)
        raise ClusterLost(f"the control actor was lost {SESSIONS} times, last after {time.monotonic() - started:.0f} s")

    @contextmanager
    def _ray_files(self, cluster: Cluster) -> Iterator[str]:
        """Provide a folder for the temporary files of Tune and Train, which all nodes must reach."""
        if cluster.temporary is not None:
            yield str(cluster.temporary / "files")
            return
        folder = Folder.at(self._store.address)
        try:
            yield folder.child(RAY_FILES).address
        finally:
            folder.delete(RAY_FILES)
