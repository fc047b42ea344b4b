"""A connection to Ray for one sweep: a private cluster on this machine or an existing one, and nothing left behind.

A private cluster listens on loopback, its folder is closed to other users, and Ray's own lines stay off the
terminal: they are in its session folder. Left alone, Ray would listen on the machine's own address and open its
folders to all users, as clusters of several machines need.
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
    """A folder that only this user enters, with a short path; those of sweeps that were killed are removed.

    Ray's folder is `RAY` inside: it becomes open to all with the first worker, and nobody comes so far.
    """
    usual = Path(tempfile.gettempdir())
    name = f"orchestrate-{os.getpid()}-"
    parent = usual if len(str(usual / f"{name}12345678" / RAY)) <= LONGEST else Path("/tmp")
    for old in parent.glob("orchestrate-*-*"):
        owner = old.name.split("-")[1]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)) and old.stat().st_uid == os.getuid():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """While Ray starts: its node has the loopback address, which it takes where it does not form clusters."""
    with ray_private.FORMS_CLUSTERS.replaced(False):
        yield


def process_environment(command: Sequence[str], temporary: Path) -> dict[str, str]:
    """What a process of the cluster finds changed: where gangs meet, and where Ray's services put temporary files.

    The raylet's workers keep the user's place for these: compiled graphs lie there from one sweep to the next.
    """
    found = dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), loopback.interface())
    return found if command[0] == ray_private.RAYLET.get() else {**found, "TMPDIR": str(temporary)}


logger = logging.getLogger(__name__)
LOGGERS = ("ray", "ray.tune", "ray.train")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ray prints messages of the raylet on stdout, which belongs to data, and advises to switch its token off."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with ray_private.PRINT.replaced(_log), ray_private.TOKEN_ADVICE.replaced(_unadvised):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    logger.debug("%s: %s", data.get("pid"), " ".join(data.get("lines", ())))


def _unadvised() -> None:
    """In the place of a warning: without its token, whoever reaches the dashboard runs code here."""


GIB = 1024**3
HERE = "local"
HEAD = {"node:__internal_head__": 0.001}
PROBE_SECONDS = 3.0
SHUTDOWN_SECONDS = 15.0
LOST_SECONDS = 20.0
LOST_NODE_SECONDS = 5.0
KILL_SECONDS = 5.0
MEMORY_SHARE = 0.7  # of the machine's; Ray would take what is free now, and lanes would be planned from that
SETTINGS = {
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "1",  # look for new log files at the interval below, not ten times a second
    "LOG_NAME_UPDATE_INTERVAL_S": "10",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONSAFEPATH": "1",  # a folder that one stands in is data: its modules are imported by nobody
}


@dataclass(frozen=True)
class Cluster:
    """An answering cluster. `temporary` is our own folder on this machine, None where the cluster is not ours.

    `node` is where the node of this machine answers. `needs_token`: the dashboard asks for Ray's token.
    """

    address: str
    node: str
    dashboard: str | None
    needs_token: bool
    nodes: tuple[Node, ...]
    temporary: Path | None

    def loss(self) -> str | None:
        """What this process needs of it and does not accept connections, in words; None while all of it does."""
        if not _answers(self.address):
            return f"the Ray cluster at {self.address} was lost"
        return None if _answers(self.node) else f"the Ray node on this machine, at {self.node}, was lost"


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def connected(address: str | None, start_seconds: float, stall_seconds: float) -> Iterator[Cluster]:
    """Start a cluster here (`address` None) or join one; on leaving, everything that this started is gone.

    A connection that the process already has is used and left open. A cluster that was lost meanwhile cannot be left in
    order: see `hard_exit`. Raises RemoteClient, UnsupportedVersion or ExecutorError.
    """
    if address is not None and address.startswith("ray://"):
        raise RemoteClient(f"{address}: the driver must run inside the cluster; use `orchestrate cluster submit`")
    require(*ray_private.LANES)
    # A call of Ray without a connection would start a second cluster, say in a thread that outlives this context.
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
    """Joining a cluster starts no process."""


def _initialise(address: str, options: Mapping[str, Any]) -> None:
    """Ray writes its token with the umask, which may not outlive this call.

    It has workers import from the working directory of this moment, before the packages that are installed.
    """
    mask = os.umask(0o077)
    try:
        with contextlib.chdir("/"):
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.WARNING, namespace="orchestrate", **options
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        place = "on this machine" if address == HERE else f"at {address}"
        advice = (
            "" if address == HERE else "; is it up, and is its token the one in RAY_AUTH_TOKEN or ~/.ray/auth_token?"
        )
        raise ExecutorError(f"no Ray cluster {place}: {error}{advice}") from error
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
    """The cluster's nodes as they are now."""
    return tuple(_node(found["Resources"]) for found in ray.nodes() if found["Alive"])  # type: ignore[no-untyped-call]


def _node(resources: dict[str, float]) -> Node:
    return Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0), resources.get("memory", 0.0) / GIB)


def _leave(leaders: Sequence[int]) -> bool:
    """Let go of a cluster; True when nothing of it is left. Of one that does not answer, the reaper ends what is left.

    A program that goes on without its cluster forgets it a little later: Ray would end it after a minute, and after ten
    seconds where only its node was lost.
    """
    if not _is_lost():
        return _shut_down(leaders)
    hard_exit.note_lost_cluster()
    seconds = LOST_NODE_SECONDS if _answers(_control_service()) else LOST_SECONDS
    later = threading.Timer(seconds, _forget_lost_cluster)
    later.daemon = True
    later.start()
    return False


def _is_lost() -> bool:
    """Whether this process is connected to a cluster that does not answer, or whose node on this machine does not."""
    return ray.is_initialized() and not (_answers(_control_service()) and _answers(_own_node()))


def _forget_lost_cluster() -> None:
    if _is_lost():
        _shut_down([])


def _shut_down(leaders: Sequence[int]) -> bool:
    """Shut down without ever hanging; True when nothing of the cluster is left.

    While Ray is still connected its processes must not be killed: it would end this process for it, with its own exit
    code. What a shutdown that hangs leaves is then the reaper's.
    """
    thread = threading.Thread(target=ray.shutdown, name="ray shutdown", daemon=True)
    thread.start()
    thread.join(SHUTDOWN_SECONDS)
    if thread.is_alive():
        logger.warning("the Ray cluster does not answer; its processes end with this one")
        return False
    remains = members(set(leaders))
    for process in remains:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, left = psutil.wait_procs(remains, timeout=KILL_SECONDS)
    return not left


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Ray reads these when its parts start; what the user has set stays."""
    added = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
