"""Where processes can be reached: the sockets they listen on, and what other users may open below a folder."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

OTHERS = stat.S_IRWXG | stat.S_IRWXO
ENTER = stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True)
class Door:
    """A socket that accepts connections, and whose it is."""

    program: str
    address: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        found = ipaddress.ip_address(self.address)
        return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def listening(processes: Iterable[psutil.Process]) -> list[Door]:
    """Every socket on which one of the processes accepts connections from a network."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            sockets = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
            found += [Door(program(process), one.laddr.ip, one.laddr.port) for one in sockets]
    return found


def program(process: psutil.Process) -> str:
    """What a process runs: its script, the title that Ray gave it, or its binary."""
    words = process.cmdline()
    scripts = [Path(word).name for word in words[:4] if word.endswith(".py")]
    return next(iter(scripts), words[0].split(".")[0] if words[0].startswith("ray::") else process.name())


def open_to_others(folder: Path) -> list[str]:
    """What other users could read, write or enter of a folder and all below it: they do not come past a closed one."""
    mode = folder.lstat().st_mode
    found = [f"{stat.filemode(mode)} {folder}"] if mode & OTHERS and not stat.S_ISLNK(mode) else []
    if stat.S_ISDIR(mode) and mode & ENTER:
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found += open_to_others(path)
    return found


def metrics(folder: Path) -> set[int]:
    """The ports at which the metrics of the cluster in this folder are read, as it tells Prometheus."""
    (found,) = json.loads((folder / "prom_metrics_service_discovery.json").read_text())
    return {int(target.rpartition(":")[2]) for target in found["targets"]}
