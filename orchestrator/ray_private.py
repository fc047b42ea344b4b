"""All that the product uses of Ray, and for Ray's lanes of torch, without their promise to keep it: in this file alone.

Ray moves such parts between minor versions without notice. Each says what it is needed for, and the comment above it
why nothing public serves; one that is missing raises UnsupportedVersion. To support another version of Ray: run every
test marked `ray` with it, then change RAY here, `pyproject.toml` and `constraints.txt`. Ray is imported only when a
part is asked for.
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

# `ray.init` takes the machine's own address, and takes it as well where it is given the one of loopback.
FORMS_CLUSTERS = ray_part("ray._private.ray_constants", "ENABLE_RAY_CLUSTER", "to keep a private cluster on loopback")
# `ray.init` says nothing of the processes it starts, and lets none of their options be chosen.
POPEN = ray_part("ray._private.services", "ConsolePopen", "to start Ray's processes in sessions of their own")
RAYLET = ray_part("ray._private.services", "RAYLET_EXECUTABLE", "to tell the raylet from Ray's other processes")
# `ray.init` replaces the handler and does not put it back.
SET_SIGTERM_HANDLER = ray_part("ray._private.utils", "set_sigterm_handler", "to go on hearing SIGTERM")
# psutil knows nothing of a container's limit; Ray's nodes do.
MEMORY = ray_part("ray._common.utils", "get_system_memory", "to know how much memory a cluster can have")
# RAY_ENABLE_AUTO_CONNECT is read while Ray is imported, which may have happened before.
AUTO_CONNECT = ray_part("ray._private.auto_init_hook", "enable_auto_connect", "to start no second cluster by accident")

# What a connection is asked, and what it writes. The runtime context knows the cluster's address and not the node's,
# and nothing public says whether a token is asked for, or keeps Ray's messages and its advice off the terminal.

NODE = ray_part("ray._private.worker", "global_worker.node", "to know where this machine's node answers")
NODE_ADDRESS = ray_part("ray._private.node", "Node.node_ip_address", "to know where this machine's node answers")
NODE_PORT = ray_part("ray._private.node", "Node.node_manager_port", "to know where this machine's node answers")
NODE_DASHBOARD = ray_part("ray._private.node", "Node.webui_url", "to say where the dashboard is")
ASKS_FOR_TOKEN = ray_part(
    "ray._private.authentication.authentication_utils", "is_token_auth_enabled", "to say how the dashboard is opened"
)
TOKEN_ADVICE = ray_part(
    "ray._private.authentication.authentication_token_setup",
    "_warn_token_auth_enabled",
    "to leave out advice that would open the dashboard to everybody",
)
PRINT = ray_part("ray._private.worker", "print_to_stdstream", "to keep Ray's messages off stdout")
# Tune prints its configuration at any verbosity.
TUNE_OUTPUT = ray_part("ray.tune.experimental.output", "", "to keep Ray Tune's messages off stdout")

# A lane's trainer and its workers.

# Public callbacks of a trainer hear nothing from its controller before there are workers.
CONTROLLER_CALLBACK = ray_part(
    "ray.train.v2._internal.execution.callback", "ControllerCallback", "to know a lane's controller"
)
# Train has a process for its data feed even where no data set is given; no option leaves it out.
DATA_FEED = ray_part(
    "ray.train.v2._internal.callbacks.datasets", "DatasetsCallback", "to start lanes without Ray Train's data feed"
)
TRAINER_CALLBACKS = ray_part(
    "ray.train.torch", "TorchTrainer._create_default_callbacks", "to start lanes without Ray Train's data feed"
)
# `TorchConfig` chooses the backend by its class, whose only base for torch is private.
TORCH_BACKEND = ray_part("ray.train.torch.config", "_TorchBackend", "to have workers meet on loopback")
# torch's store listens on all addresses; `init_process_group` takes a store, but Ray Train is who calls it.
CREATE_STORE = PrivatePart(
    TORCH, "torch.distributed.rendezvous", "_create_c10d_store", "to have workers meet on loopback"
)

LANES = (
    *(FORMS_CLUSTERS, POPEN, RAYLET, SET_SIGTERM_HANDLER, MEMORY, AUTO_CONNECT),
    *(NODE, NODE_ADDRESS, NODE_PORT, NODE_DASHBOARD, ASKS_FOR_TOKEN, TOKEN_ADVICE, PRINT, TUNE_OUTPUT),
    *(CONTROLLER_CALLBACK, DATA_FEED, TRAINER_CALLBACKS, TORCH_BACKEND, CREATE_STORE),
)
"""What runs on Ray need: asked for before a cluster starts."""

# Ray's launcher is a command line; its checks have no public function, and the script `ray` may be another version's.

PREPARE_CONFIG = ray_part("ray.autoscaler._private.util", "prepare_config", "to check cluster files")
VALIDATE_CONFIG = ray_part("ray.autoscaler._private.util", "validate_config", "to check cluster files")
LAUNCHER = ray_part("ray.scripts.scripts", "", "to run Ray's cluster launcher")


@dataclass(frozen=True)
class OwnNode:
    """The node that this process is connected by. `dashboard` has no scheme; None where there is none."""

    address: str
    dashboard: str | None


def own_node() -> OwnNode:
    """Where the node of this machine answers; needs a connection to Ray."""
    node = NODE.get()
    assert node is not None, "a driver is connected by way of a node"
    return OwnNode(f"{node.node_ip_address}:{node.node_manager_port}", node.webui_url)


def cluster_options(folder: Path, memory_bytes: int) -> dict[str, Any]:
    """Options of `ray.init` with private names: where Ray keeps its files, and how much memory its node has to give."""
    return {"_temp_dir": str(folder), "_memory": memory_bytes}


@functools.cache
def lane_trainer() -> type[TorchTrainer]:
    """A `TorchTrainer` without Train's own data feed, which costs a process for each gang."""
    require(TRAINER_CALLBACKS)
    from ray.train.torch import TorchTrainer

    data_feed = DATA_FEED.get()

    class LaneTrainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            usual = super()._create_default_callbacks()  # type: ignore[misc]
            return [callback for callback in usual if not isinstance(callback, data_feed)]

    return LaneTrainer


def launcher_file(name: str) -> Path:
    """A file that Ray's launcher reads, for example the schema of cluster files; Ray itself is not imported."""
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:
        raise UnsupportedVersion(f"ray is not installed; run: {RAY.install}")
    return Path(found.origin).parent / "autoscaler" / name


if not TYPE_CHECKING:  # classes of ours that have these as a base import them by name

    def __getattr__(name: str) -> Any:
        """Import a base class only when it is asked for."""
        bases = {"ControllerCallback": CONTROLLER_CALLBACK, "TorchBackend": TORCH_BACKEND}
        if name not in bases:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return bases[name].get()
