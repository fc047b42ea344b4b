"""One session of lanes on a connected cluster: control actor, lane supervisors, Tune, and the driver's loop over them."""

from __future__ import annotations

import hashlib
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from orchestrator.executors import ClusterLost, ExecutorError, StorageNotShared, preflight
from orchestrator.executors.events import Event, LaneStarted, RunFailed, RunFinished, RunStarted, RunStopped
from orchestrator.executors.policy import Layout, Limits
from orchestrator.executors.preflight import Preflight
from orchestrator.executors.ray_cluster import HEAD, Cluster
from orchestrator.executors.ray_control import Batch, Control
from orchestrator.executors.ray_lane import LaneSupervisor, kill
from orchestrator.executors.ray_tuner import Tuning
from orchestrator.executors.ray_worker import LaneSetup
from orchestrator.executors.tickets import Ticket
from orchestrator.storage import Attempt, Store
from trainables.engine.loop import Layout as RunLayout

logger = logging.getLogger(__name__)
NAMESPACE = "orchestrate"
HEARTBEAT_SECONDS = 0.2
PROBE_EVERY_SECONDS = 2.0
LOST_AFTER_PROBES = 3
TAKEOVER_SECONDS = 60.0
RETIRE_SECONDS = 10.0


class ControlLost(ExecutorError):
    """The control actor died; lanes and trials start anew with what is still pending."""


class Interrupted(Exception):
    """The caller asked to stop at once."""


@dataclass(frozen=True)
class Plan:
    """What a session is to do and with what. `storage` is where Tune and Train keep their own files."""

    store: Store
    cluster: Cluster
    layout: Layout
    limits: Limits
    run_layout: RunLayout
    storage: str
    tickets: tuple[Ticket, ...]


@dataclass
class Session:
    """Runs in the caller's thread; `mode` is what a signal handler may set at any time."""

    plan: Plan
    on_event: Callable[[Event], None]
    mode: Callable[[], str | None]
    inbox: queue.SimpleQueue[Batch | Event | Exception] = field(default_factory=queue.SimpleQueue)
    working: dict[str, RunStarted] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Return when every run ended. Raises ControlLost, ClusterLost, StorageNotShared, ExecutorError or Interrupted."""
