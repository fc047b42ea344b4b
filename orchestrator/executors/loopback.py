"""The loopback network of this machine, which no other machine can reach."""

from __future__ import annotations

import psutil

LOOPBACK = "127.0.0.1"


def interface() -> str:
    """Return the name of the loopback interface; Gloo and NCCL would otherwise choose another one."""
    interfaces = psutil.net_if_addrs()
    return next(name for name, addresses in interfaces.items() if any(each.address == LOOPBACK for each in addresses))
