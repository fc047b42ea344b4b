"""Where the ranks of a gang meet: torch's store listens on all addresses, also where the ranks meet on loopback."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

from ray.train.torch import TorchConfig
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]

from orchestrator import ray_private
from orchestrator.ray_private import TorchBackend

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_usual = ray_private.CREATE_STORE.get()


class LaneTorchConfig(TorchConfig):
    """Train's own, but for the store's address."""

    @property
    def backend_cls(self) -> type[TorchBackend]:
        """What sets the gang's process group up."""
        return LaneTorchBackend


class LaneTorchBackend(TorchBackend):
    """In the Train controller: prepares the workers before they make their process group."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """As Train does, with our store."""
        worker_group.execute(keep_stores_local)
        super().on_start(worker_group, backend_config)


def keep_stores_local() -> None:
    """In a worker: from now on a store whose address is this machine's loopback listens there and nowhere else."""
    ray_private.CREATE_STORE.put(create_store)


def create_store(
    hostname: str, port: int, rank: int, world_size: int, timeout: timedelta, use_libuv: bool = True
) -> Store:
    """Torch's own function, but for the socket that rank 0 gives to a store on loopback."""
    if rank != 0 or hostname not in LOOPBACK:
        found: Store = _usual(hostname, port, rank, world_size, timeout, use_libuv)
        return found
    family = socket.AF_INET6 if ":" in hostname else socket.AF_INET
    listener = socket.create_server((hostname, port), family=family)
    return TCPStore(
        hostname,
        port,
        world_size,
        is_master=True,
        timeout=timeout,
        multi_tenant=True,
        master_listen_fd=listener.detach(),
        use_libuv=use_libuv,
    )
