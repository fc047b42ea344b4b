"""The only file that uses private parts of Ray, and of torch for Ray's lanes.

Ray moves such parts between minor versions without notice. Each part says what it is needed for, and the comment above
it why nothing public will do; a missing part raises UnsupportedVersion. To support another version of Ray, run every
test marked `ray` with it, then change RAY here, `pyproject.toml` and `constraints.txt`. Ray is imported only when a
part is used.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import UnsupportedVersion
from trainables.system import private_parts
from trainables.system.private_parts import Library, PrivatePart, require

if TYPE_CHECKING:
    from ray.train.torch import TorchTrainer
    from ray.train.torch.config import _TorchBackend
    from ray.train.v2._internal.execution.callback import ControllerCallback as ControllerCallback

    TorchBackend = _TorchBackend

RAY = Library("ray", "ray[default,train,tune]", oldest="2.60", below="2.61", error=UnsupportedVersion)
TORCH = replace(private_parts.TORCH, error=UnsupportedVersion)

ray_part = functools.partial(PrivatePart, RAY)

# How a private cluster starts.

# `ray.init` uses the machine's own address, even if it is given the loopback address.
FORMS_CLUSTERS = ray_part("ray._private.ray_constants", "ENABLE_RAY_CLUSTER", "to keep a private cluster on loopback")
# `ray.init` neither tells which processes it starts nor lets us choose their options.
POPEN = ray_part("ray._private.services", "ConsolePopen", "to start Ray's processes in sessions of their own")
RAYLET = ray_part("ray._private.services", "RAYLET_EXECUTABLE", "to tell the raylet from Ray's other processes")
# `ray.init` replaces the handler and does not restore it.
SET_SIGTERM_HANDLER = ray_part("ray._private.utils", "set_sigterm_handler", "to keep our handler of SIGTERM")
# psutil does not know a container's memory limit; Ray's nodes do.
MEMORY = ray_part("ray._common.utils", "get_system_memory", "to know how much memory a cluster can have")
# RAY_ENABLE_AUTO_CONNECT is read while Ray is imported, which may have happened before.
AUTO_CONNECT = ray_part(
    "ray._private.auto_init_hook", "enable_auto_connect", "to avoid starting a second cluster by accident"
)

# What a connection knows and prints. The runtime context has the cluster's address but not the node's, and nothing
# public says whether a token is required, or keeps Ray's messages and advice off the terminal.

NODE = ray_part("ray._private.worker", "global_worker.node", "to know the address of this machine's node")
NODE_ADDRESS = ray_part("ray._private.node", "Node.node_ip_address", "to know the address of this machine's node")
NODE_PORT = ray_part("ray._private.node", "Node.node_manager_port", "to know the address of this machine's node")
NODE_DASHBOARD = ray_part("ray._private.node", "Node.webui_url", "to say where the dashboard is")
ASKS_FOR_TOKEN = ray_part(
    "ray._private.authentication.authentication_utils", "is_token_auth_enabled", "to say how to open the dashboard"
)
TOKEN_ADVICE = ray_part(
    "ray._private.authentication.authentication_token_setup",
    "_warn_token_auth_enabled",
    "to leave out advice that would open the dashboard to everyone",
)
PRINT = ray_part("ray._private.worker", "print_to_stdstream", "to keep Ray's messages off stdout")
# Tune prints its configuration at any verbosity.
TUNE_OUTPUT = ray_part("ray.tune.experimental.output", "", "to keep Ray Tune's messages off stdout")

# A lane's trainer and its workers.

# A trainer's public callbacks get nothing from its controller before there are workers.
CONTROLLER_CALLBACK = ray_part(
    "ray.train.v2._internal.execution.callback", "ControllerCallback", "to know a lane's controller"
)
# Train starts a process for its data feed even without a data set; no option turns it off.
DATA_FEED = ray_part(
    "ray.train.v2._internal.callbacks.datasets", "DatasetsCallback", "to start lanes without Ray Train's data feed"
)
TRAINER_CALLBACKS = ray_part(
    "ray.train.torch", "TorchTrainer._create_default_callbacks", "to start lanes without Ray Train's data feed"
)
# `TorchConfig` chooses the backend by class, and the only base class for torch is private.
TORCH_BACKEND = ray_part("ray.train.torch.config", "_TorchBackend", "to have workers meet on loopback")
# torch's store listens on all addresses; `init_process_group` accepts a store, but Ray Train calls it.
CREATE_STORE = PrivatePart(
    TORCH, "torch.distributed.rendezvous", "_create_c10d_store", "to have workers meet on loopback"
)

LANES = (
    *(FORMS_CLUSTERS, POPEN, RAYLET, SET_SIGTERM_HANDLER, MEMORY, AUTO_CONNECT),
    *(NODE, NODE_ADDRESS, NODE_PORT, NODE_DASHBOARD, ASKS_FOR_TOKEN, TOKEN_ADVICE, PRINT, TUNE_OUTPUT),
    *(CONTROLLER_CALLBACK, DATA_FEED, TRAINER_CALLBACKS, TORCH_BACKEND, CREATE_STORE),
)
"""The parts that runs on Ray need; checked before a cluster starts."""

# Ray's launcher is a command line: its checks have no public function, and the `ray` script may be another version.

PREPARE_CONFIG = ray_part("ray.autoscaler._private.util", "prepare_config", "to check cluster files")
VALIDATE_CONFIG = ray_part("ray.autoscaler._private.util", "validate_config", "to check cluster files")
LAUNCHER = ray_part("ray.scripts.scripts", "", "to run Ray's cluster launcher")


@dataclass(frozen=True)
class OwnNode:
    """The node through which this process is connected. `dashboard` has no scheme, and is None if there is none."""

    address: str
    dashboard: str | None


def own_node() -> OwnNode:
    """Return the address of this machine's node; needs a connection to Ray."""
    node = NODE.get()
    assert node is not None, "a driver is connected through a node"
    return OwnNode(f"{node.node_ip_address}:{node.node_manager_port}", node.webui_url)


def cluster_options(folder: Path, memory_bytes: int) -> dict[str, Any]:
    """Return options of `ray.init` with private names: where Ray keeps its files, and how much memory its node has."""
    return {"_temp_dir": str(folder), "_memory": memory_bytes}


@functools.cache
def lane_trainer() -> type[TorchTrainer]:
    """Return a `TorchTrainer` without Train's own data feed, which costs a process per worker group."""
    require(TRAINER_CALLBACKS)
    from ray.train.torch import TorchTrainer

    data_feed = DATA_FEED.get()

    class LaneTrainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            callbacks = super()._create_default_callbacks()  # type: ignore[misc]
            return [callback for callback in callbacks if not isinstance(callback, data_feed)]

    return LaneTrainer


def launcher_file(name: str) -> Path:
    """Return a file that Ray's launcher reads, e.g. the schema of cluster files, without importing Ray."""
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:
        raise UnsupportedVersion(f"ray is not installed; run: {RAY.install}")
    return Path(spec.origin).parent / "autoscaler" / name


if not TYPE_CHECKING:  # our classes import these base classes by name

    def __getattr__(name: str) -> Any:
        """Import a base class only when it is used."""
        bases = {"ControllerCallback": CONTROLLER_CALLBACK, "TorchBackend": TORCH_BACKEND}
        if name not in bases:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return bases[name].get()
