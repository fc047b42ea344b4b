"""Everything that one session of lanes keeps running: the control actor, lane supervisors, Tune and watchers."""

from __future__ import annotations

import hashlib
import logging
import queue
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
import ray.util
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from orchestrator.errors import ClusterLost, ExecutorError
from orchestrator.executors import hard_exit, shared_storage_check
from orchestrator.executors.events import Event, LanesPlanned, RunFinished
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import LaneLayout, Limits, Node
from orchestrator.executors.lanes.state import Member, ScheduledRun
from orchestrator.executors.ray_lanes.connection import HEAD, Cluster, living_nodes
from orchestrator.executors.ray_lanes.control_actor import ControlActor, DriverMessages
from orchestrator.executors.ray_lanes.lane_trainer import LaneSupervisor, kill
from orchestrator.executors.ray_lanes.tune import Tuning
from orchestrator.executors.ray_lanes.worker_loop import LaneSetup
from orchestrator.executors.shared_storage_check import SharedStorageCheck
from orchestrator.storage import Store
from orchestrator.worker.versions import Provenance
from trainables.training.run import ComputeOptions as RunLayout

logger = logging.getLogger(__name__)
NAMESPACE = "orchestrate"
PROBE_EVERY_SECONDS = 1.0
LOST_AFTER_PROBES = 2
TAKEOVER_SECONDS = 60.0
REPLY_SECONDS = 60.0
RETIRE_SECONDS = 10.0
LET_GO_SECONDS = 8.0
ENDING_SECONDS = 40.0
TUNERS = 4


class ControlLost(ExecutorError):
    """The control actor died; a new session starts with the pending runs."""


@dataclass(frozen=True)
class SessionPlan:
    """What a session does, and with what. `storage` is where Tune and Train keep their own files.

    `grows`: whether to add lanes when the cluster gains nodes. `coming`: how many runs may still be added to `runs`.
    """

    store: Store
    cluster: Cluster
    layout: LaneLayout
    limits: Limits
    run_layout: RunLayout
    provenance: Provenance
    storage: str
    grows: bool = False
    runs: tuple[ScheduledRun, ...] = ()
    coming: int = 0


def planned(layout: LaneLayout) -> LanesPlanned:
    """Return the layout as an event."""
    return LanesPlanned(layout.lanes, layout.workers_per_run, layout.cpus_per_worker, layout.gpus_per_worker)


class SessionActors:
    """Threads of the driver and actors of the cluster; they put their messages into `inbox`."""

    def __init__(self, plan: SessionPlan) -> None:
        self.inbox: queue.SimpleQueue[DriverMessages | Event | Exception] = queue.SimpleQueue()
        self.storage_check = SharedStorageCheck(plan.store.address, secrets.token_hex(8), _data(plan.runs))
        self._plan = plan
        self._coming = plan.coming
        self._over, self._stopping, self._lost = threading.Event(), threading.Event(), threading.Event()
        self._tuners, self._room = 0, policy.capacity(plan.layout, plan.cluster.nodes)
        shared_storage_check.write_token(self.storage_check)
        self._control = _start_control(plan)
        self._lanes = [self._supervise(lane) for lane in range(plan.layout.lanes)]
        self._tuning = self._tune(plan.runs)
        watches = (self._listen, self._watch) if plan.cluster.temporary else (self._listen, self._watch, self._follow)
        self._watchers = [hard_exit.start_thread(watch.__name__, watch) for watch in watches]

    def stop_runs(self) -> None:
        """Stop runs at their next control point, with a checkpoint, and add no others."""
        self._stopping.set()
        self._control.stop.remote()
        self._coming = 0
        self._tuning.add((), last=True)

    def apply_decision(
        self, runs: Sequence[ScheduledRun], prune: Sequence[str], pause: Sequence[str], coming: int
    ) -> None:
        """Add runs, end or pause others; `coming`: how many may still be added after these."""
        if self._stopping.is_set():
            return
        self._coming = coming
        self._control.apply_decision.remote(runs, prune, pause, coming)
        self._tuning.add(runs, last=coming == 0)

    def is_finished(self, event: RunFinished) -> None:
        """Notify the control actor that a run whose worker group was lost has committed its record."""
        self._control.committed.remote(event)

    def kill_stalled(self, members: Sequence[Member]) -> None:
        """SIGKILL workers, without waiting; Train then replaces their group."""
        self._watchers.append(hard_exit.start_thread("kill", kill, members))

    def keep_tuning(self, pending: Sequence[ScheduledRun]) -> None:
        """Restart Tune for the pending runs if it ended early. Raises ExecutorError if that happens too often."""
        if pending and not self._tuning.is_running:
            if self._tuners >= TUNERS:
                raise ExecutorError(f"Ray Tune ended early {TUNERS} times, last with: {self._tuning.error}")
            self._tuning = self._tune(pending)

    @property
    def lanes_running(self) -> bool:
        """Whether any lane's supervisor is still running."""
        return any(thread.is_alive() for thread in self._lanes)

    def leave(self, *, at_once: bool) -> None:
        """End everything: nothing may outlive the session. Never wait long, not even for a dead cluster.

        A thread that still calls Ray after its shutdown would crash this process or end it with Ray's exit code.
        """
        self._over.set()
        if self._lost.is_set():
            self._tuning.hold()
        else:
            self._tuning.end(0.0 if at_once else RETIRE_SECONDS)
            deadline = time.monotonic() + ENDING_SECONDS
            for thread in (hard_exit.start_thread("let go", self._let_go, at_once), *self._lanes, *self._watchers):
                thread.join(max(0.0, deadline - time.monotonic()))
            self._tuning.end(max(0.0, deadline - time.monotonic()))
        shared_storage_check.close(self.storage_check)

    def _let_go(self, at_once: bool) -> None:
        """Kill the controllers and the control actor, then the workers, so that nothing replaces these.

        Workers of a private cluster end with it.
        """
        ends_here = at_once and self._plan.cluster.temporary is None
        try:
            members = ray.get(self._control.members.remote(), timeout=LET_GO_SECONDS) if ends_here else []
            for controller in ray.get(self._control.controllers.remote(), timeout=LET_GO_SECONDS):
                ray.kill(controller)
            ray.kill(self._control)
            kill(members)
        except (RayError, ValueError) as error:
            logger.debug("the control actor is gone already: %s", error)

    def _supervise(self, lane: int) -> threading.Thread:
        plan = self._plan
        setup = LaneSetup(
            lane=lane,
            control=self._control,
            out=plan.store.address,
            owner=plan.store.owner,
            threads=plan.layout.threads,
            layout=plan.run_layout,
            provenance=plan.provenance,
            storage_check=self.storage_check,
        )
        return LaneSupervisor(setup, plan.layout, plan.storage, self.inbox.put, self._lost.is_set).start()

    def _tune(self, runs: Sequence[ScheduledRun]) -> Tuning:
        self._tuners += 1
        name = f"grid {self._tuners}"
        return Tuning(self._control, len(self._lanes), self._plan.storage, name, runs, is_open=self._coming > 0)

    def _listen(self) -> None:
        """Bring the control actor's messages to the driver's loop."""
        while not self._over.is_set():
            try:
                messages: DriverMessages = ray.get(self._control.driver_messages.remote(), timeout=REPLY_SECONDS)
            except (RayActorError, GetTimeoutError) as error:
                self.inbox.put(ControlLost(f"the control actor is gone: {error}"))
                return
            except Exception as error:  # noqa: BLE001 - an exception in a thread would be lost; the driver raises it
                self.inbox.put(error)
                return
            self.inbox.put(messages)

    def _follow(self) -> None:
        """Notice nodes that come and go."""
        while not self._over.wait(PROBE_EVERY_SECONDS):
            try:
                self._resize(living_nodes())
            except RayError as error:
                logger.debug("Ray cannot list the nodes now: %s", error)
            except Exception as error:  # noqa: BLE001 - an exception in a thread would be lost; the driver raises it
                self.inbox.put(error)
                return

    def _resize(self, nodes: Sequence[Node]) -> None:
        layout, room = self._plan.layout, policy.capacity(self._plan.layout, nodes)
        if room == self._room:
            return
        shortage = f"it needs {policy.needs(layout)}, and the cluster has {policy.inventory(nodes)}"
        most = room if self._plan.grows else min(room, layout.lanes)
        grown = ray.get(self._control.resize.remote(most, shortage), timeout=REPLY_SECONDS)
        self._room = room
        if grown:
            self._lanes.extend(self._supervise(lane) for lane in grown)
            self._tuning.allow(len(self._lanes))
            self.inbox.put(planned(replace(layout, lanes=len(self._lanes))))

    def _watch(self) -> None:
        """Notice a lost cluster before Ray ends this process for it, which takes up to a minute."""
        failed = 0
        while not self._over.wait(PROBE_EVERY_SECONDS):
            loss = self._plan.cluster.loss()
            failed = 0 if loss is None else failed + 1
            if failed >= (1 if self._stopping.is_set() else LOST_AFTER_PROBES):
                self._lost.set()
                self.inbox.put(ClusterLost(f"{loss}; records are safe, and the same command continues from them"))
                return


def _start_control(plan: SessionPlan) -> Any:
    """Start the control actor, named after the results directory, once no earlier driver's lanes work for that.

    Raises ExecutorError if such lanes do not go away or the actor cannot start.
    """
    prefix = f"control {hashlib.sha256(plan.store.location.encode()).hexdigest()[:16]}"
    _wait_for_predecessors(prefix, plan.store.location)
    actor = ray.remote(num_cpus=0, resources=dict(HEAD), max_restarts=0)(ControlActor)
    name = f"{prefix} {plan.store.owner} {secrets.token_hex(4)}"
    try:
        control: Any = actor.options(name=name, namespace=NAMESPACE).remote(
            plan.runs, plan.layout.lanes, plan.limits, plan.coming
        )
        ray.get(control.members.remote(), timeout=REPLY_SECONDS)
    except RayError as error:
        raise ExecutorError(f"the control actor could not start: {error}") from error
    return control


def _wait_for_predecessors(prefix: str, location: str) -> None:
    """Wait until no such actor is left. Ask Ray's list: a look-up by name can return a cached, long dead actor."""
    deadline = time.monotonic() + TAKEOVER_SECONDS
    while any(actor["name"].startswith(prefix) for actor in ray.util.list_named_actors(all_namespaces=True)):
        if time.monotonic() > deadline:
            raise ExecutorError(f"lanes of another sweep are still writing to {location}")
        time.sleep(0.5)


def _data(runs: Sequence[ScheduledRun]) -> tuple[Any, ...]:
    return tuple(
        {scheduled.run.config.data.model_dump_json(): scheduled.run.config.data for scheduled in runs}.values()
    )
