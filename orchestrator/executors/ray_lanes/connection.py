"""Connects one sweep to Ray: to a private cluster on this machine or an existing one; leaves nothing behind.

A private cluster listens on loopback only, its folder is closed to other users, and Ray's own messages go to its
session folder instead of the terminal. By default Ray would listen on the machine's address and open its folders to
all users, as clusters of several machines need.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import ray

from orchestrator import ray_private
from orchestrator.errors import ClusterLost, ExecutorError, RemoteClient
from orchestrator.executors import hard_exit, loopback
from orchestrator.executors.lanes.policy import Node
from orchestrator.executors.loopback import LOOPBACK
from orchestrator.executors.ray_lanes.reaper import Reaper, members
from orchestrator.executors.ray_lanes.start_detached import detached
from trainables.system.private_parts import require

RAY = "r"
LONGEST = 36  # a Unix socket's path has 107 bytes, of which Ray uses up to 71, for its dashboard


def make_folder() -> Path:
    """Create a folder that only this user can enter, with a short path; remove the folders of killed sweeps.

    Ray's folder is `RAY` inside it: Ray opens that to all users with the first worker, but they cannot get there.
    """
    default = Path(tempfile.gettempdir())
    name = f"orchestrate-{os.getpid()}-"
    parent = default if len(str(default / f"{name}12345678" / RAY)) <= LONGEST else Path("/tmp")
    for old in parent.glob("orchestrate-*-*"):
        owner = old.name.split("-")[1]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)) and old.stat().st_uid == os.getuid():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Give Ray's node the loopback address while Ray starts: it takes that one if it does not form clusters."""
    with ray_private.FORMS_CLUSTERS.replaced(False):
        yield


def process_environment(command: Sequence[str], temporary: Path) -> dict[str, str]:
    """Return a process's environment changes: where groups meet, and where Ray's services put temporary files.

    The raylet's workers keep the user's temporary folder: compiled graphs stay there from one sweep to the next.
    """
    changes = dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), loopback.interface())
    return changes if command[0] == ray_private.RAYLET.get() else {**changes, "TMPDIR": str(temporary)}


logger = logging.getLogger(__name__)
LOGGERS = ("ray", "ray.tune", "ray.train")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Ray: it prints the raylet's messages on stdout, which is for data, and advises to disable its token."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with ray_private.PRINT.replaced(_log), ray_private.TOKEN_ADVICE.replaced(_no_advice):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    logger.debug("%s: %s", data.get("pid"), " ".join(data.get("lines", ())))


def _no_advice() -> None:
    """Replace advice to disable the token: without it, anyone who reaches the dashboard could run code here."""


GIB = 1024**3
HERE = "local"
HEAD = {"node:__internal_head__": 0.001}
PROBE_SECONDS = 3.0
SHUTDOWN_SECONDS = 15.0
LOST_SECONDS = 20.0
LOST_NODE_SECONDS = 5.0
KILL_SECONDS = 5.0
MEMORY_SHARE = 0.7  # of the machine's; by default Ray takes what is free now, and the lane plan would depend on it
SETTINGS = {
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "1",  # look for new log files at the interval below, not ten times a second
    "LOG_NAME_UPDATE_INTERVAL_S": "10",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONSAFEPATH": "1",  # the working directory is data: never import modules from it
}


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `temporary` is our own folder on this machine, None if the cluster is not ours.

    `node` is the address of this machine's node. `needs_token`: the dashboard asks for Ray's token.
    """

    address: str
    node: str
    dashboard: str | None
    needs_token: bool
    nodes: tuple[Node, ...]
    temporary: Path | None

    def loss(self) -> str | None:
        """Say what is lost: the cluster, or its node here, accepts no connections; None if both do."""
        if not _accepts_connections(self.address):
            return f"the Ray cluster at {self.address} was lost"
        return None if _accepts_connections(self.node) else f"the Ray node on this machine, at {self.node}, was lost"


def _accepts_connections(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def connected(address: str | None, start_seconds: float, stall_seconds: float) -> Iterator[Cluster]:
    """Start a cluster here (`address` None) or join one; on leaving, end everything that this started.

    If the process already has a connection, use it and leave it open. A cluster lost in the meantime cannot be left
    cleanly: see `hard_exit`. Raises RemoteClient, UnsupportedVersion or ExecutorError.
    """
    if address is not None and address.startswith("ray://"):
        raise RemoteClient(f"{address}: the driver must run inside the cluster; use `orchestrate cluster submit`")
    require(*ray_private.LANES)
    # Without a connection, a call of Ray would start a second cluster, for example in a thread that outlives this.
    ray_private.AUTO_CONNECT.put(False)
    timeouts = {
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": f"{start_seconds:g}",
        "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": f"{stall_seconds:g}",
    }
    with _environment({**SETTINGS, **timeouts}), quiet():
        _forget_lost_cluster()
        if ray.is_initialized():
            yield _described(None)
        else:
            with _started(address) as temporary:
                yield _described(temporary)


@contextlib.contextmanager
def _started(address: str | None) -> Iterator[Path | None]:
    if address is not None:
        with detached(_none_is_started):
            _initialise(address, {})
        try:
            yield None
        finally:
            _leave([])
        return
    temporary, leaders = make_folder(), list[int]()
    reaper = Reaper(temporary)

    def started(pid: int) -> None:
        leaders.append(pid)
        reaper.watch_over(pid)

    local = {
        "include_dashboard": True,
        "dashboard_host": LOOPBACK,
        **ray_private.cluster_options(temporary / RAY, int(MEMORY_SHARE * ray_private.MEMORY.get()())),
    }
    try:
        environment = partial(process_environment, temporary=temporary)
        with on_loopback(), detached(started, environment):
            _initialise(HERE, local)
        yield temporary
    finally:
        if _leave(leaders):
            reaper.dismiss()
            shutil.rmtree(temporary, ignore_errors=True)


def _none_is_started(pid: int) -> None:
    """Ignore the id: joining a cluster starts no process."""


def _initialise(address: str, options: Mapping[str, Any]) -> None:
    """Call `ray.init` with a strict umask, since Ray writes its token with it, and away from the working directory.

    Workers would otherwise import from the working directory before the installed packages.
    """
    mask = os.umask(0o077)
    try:
        with contextlib.chdir("/"):
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.WARNING, namespace="orchestrate", **options
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = "on this machine" if address == HERE else f"at {address}"
        advice = "" if address == HERE else "; is it running, and is its token in RAY_AUTH_TOKEN or ~/.ray/auth_token?"
        raise ExecutorError(f"no Ray cluster {where}: {error}{advice}") from error
    finally:
        os.umask(mask)


def _described(temporary: Path | None) -> Cluster:
    nodes = living_nodes()
    if not nodes:
        raise ClusterLost("the Ray cluster has no living node")
    node = ray_private.own_node()
    dashboard = f"http://{node.dashboard}" if temporary is not None and node.dashboard else None
    needs_token = ray_private.ASKS_FOR_TOKEN.get()()
    return Cluster(_control_service(), node.address, dashboard, needs_token, nodes, temporary)


def _control_service() -> str:
    address: str = ray.get_runtime_context().gcs_address
    return address


def _own_node() -> str:
    return ray_private.own_node().address


def living_nodes() -> tuple[Node, ...]:
    """Return the cluster's living nodes."""
    return tuple(_node(node["Resources"]) for node in ray.nodes() if node["Alive"])  # type: ignore[no-untyped-call]


def _node(resources: dict[str, float]) -> Node:
    return Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0), resources.get("memory", 0.0) / GIB)


def _leave(leaders: Sequence[int]) -> bool:
    """Leave a cluster; True if nothing of it is left. If it does not respond, the reaper ends what is left.

    A program that goes on without its cluster disconnects a little later: Ray would end it after a minute, or after ten
    seconds if only its node was lost.
    """
    if not _is_lost():
        return _shut_down(leaders)
    hard_exit.note_lost_cluster()
    seconds = LOST_NODE_SECONDS if _accepts_connections(_control_service()) else LOST_SECONDS
    later = threading.Timer(seconds, _forget_lost_cluster)
    later.daemon = True
    later.start()
    return False


def _is_lost() -> bool:
    """Return whether this process is connected to a cluster that does not respond, or whose node here does not."""
    return ray.is_initialized() and not (_accepts_connections(_control_service()) and _accepts_connections(_own_node()))


def _forget_lost_cluster() -> None:
    if _is_lost():
        _shut_down([])


def _shut_down(leaders: Sequence[int]) -> bool:
    """Shut down without ever hanging; True if nothing of the cluster is left.

    Ray's processes must not be killed while it is still connected: it would end this process, with its own exit code.
    If the shutdown hangs, the reaper ends them.
    """
    thread = threading.Thread(target=ray.shutdown, name="ray shutdown", daemon=True)
    thread.start()
    thread.join(SHUTDOWN_SECONDS)
    if thread.is_alive():
        logger.warning("the Ray cluster does not respond; its processes end with this one")
        return False
    processes = members(set(leaders))
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, left = psutil.wait_procs(processes, timeout=KILL_SECONDS)
    return not left


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set environment variables that Ray reads as its parts start, but none that the user has set."""
    added = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
