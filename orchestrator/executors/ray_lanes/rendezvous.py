"""Keeps the store where a group's ranks meet on loopback if they are all there: torch's listens on all addresses."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

from ray.train.torch import TorchConfig
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]

from orchestrator import ray_private
from orchestrator.ray_private import TorchBackend

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_original = ray_private.CREATE_STORE.get()


class LaneTorchConfig(TorchConfig):
    """Train's own configuration, except for the address of the store."""

    @property
    def backend_cls(self) -> type[TorchBackend]:
        """The backend that sets up the worker group's process group."""
        return LaneTorchBackend


class LaneTorchBackend(TorchBackend):
    """In the Train controller: prepares the workers before they create their process group."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Do what Train does, with our store."""
        worker_group.execute(keep_stores_local)
        super().on_start(worker_group, backend_config)


def keep_stores_local() -> None:
    """In a worker: make stores with a loopback address listen on loopback only."""
    ray_private.CREATE_STORE.put(create_store)


def create_store(
    hostname: str, port: int, rank: int, world_size: int, timeout: timedelta, use_libuv: bool = True
) -> Store:
    """Create a store as torch does, but on loopback give it a socket that listens there only."""
    if rank != 0 or hostname not in LOOPBACK:
        store: Store = _original(hostname, port, rank, world_size, timeout, use_libuv)
        return store
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
