"""Describes what a cluster file would start: machines, ports and who can reach them, commands. Starts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.cluster.security_rules import DASHBOARD_PORT, SSH_PORT

_PORT = re.compile(r"--(?:(?P<name>[a-z-]+)-)?port[= ](?P<port>\d+)")
_DASHBOARD = "dashboard"
_METRICS = "metrics-export"


def nodes(file: ClusterFile) -> list[dict[str, Any]]:
    """Return one row per kind of machine: name, machine, count, gpus, price (`spot`, `on demand`, ...)."""
    provider = file.config["provider"]
    if file.provider == "local":
        hosts = [("head", [provider.get("head_ip", "-")]), ("worker", provider.get("worker_ips", []))]
        return [
            {"name": name, "machine": ", ".join(map(str, named)), "count": str(len(named)), "gpus": None, "price": "-"}
            for name, named in hosts
            if named
        ]
    return [_row(file, name, node) for name, node in (file.config.get("available_node_types") or {}).items()]


def ports(file: ClusterFile) -> list[dict[str, Any]]:
    """Return one row per listening port: port, what listens, who can reach it."""
    inside = "machines of the group only" if file.provider == "aws" else "who can reach the machines, with the token"
    ssh_from = file.metadata.get("ssh_from")
    rows = {SSH_PORT: ("ssh", ssh_from or "who the machines' firewall lets in")}
    rows[DASHBOARD_PORT] = ("dashboard and jobs", "the head itself; others through a tunnel, with the token")
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        for command in file.config.get(key) or []:
            for match in _PORT.finditer(str(command)):
                name = match["name"] or "control service"
                who = inside.replace("with the token", "without a token") if name == _METRICS else inside
                if name != _DASHBOARD:
                    rows.setdefault(int(match["port"]), (name.replace("-", " "), who))
    rows.setdefault(10001, ("ray client", inside))
    return [{"port": port, "what": what, "who": who} for port, (what, who) in sorted(rows.items())]


def commands(file: ClusterFile) -> list[dict[str, str]]:
    """Return what is copied and run, in order."""
    config = file.config
    rows = [
        {"where": "every machine", "what": "copy", "text": f"{source} -> {target}"}
        for target, source in (config.get("file_mounts") or {}).items()
    ]
    for key, where in (
        ("initialization_commands", "every machine"),
        ("setup_commands", "every machine"),
        ("head_setup_commands", "head"),
        ("worker_setup_commands", "workers"),
        ("head_start_ray_commands", "head"),
        ("worker_start_ray_commands", "workers"),
    ):
        rows += [{"where": where, "what": "run", "text": str(command)} for command in config.get(key) or []]
    return rows


def _row(file: ClusterFile, name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    config = node["node_config"]
    market = (config.get("InstanceMarketOptions") or {}).get("MarketType", "on demand")
    return {
        "name": name,
        "machine": config.get("InstanceType", "-"),
        "count": "1" if name == file.config.get("head_node_type") else _count(file, node),
        "gpus": (node.get("resources") or {}).get("GPU"),
        "price": str(market).replace("-", " "),
    }


def _count(file: ClusterFile, node: Mapping[str, Any]) -> str:
    least, most = node.get("min_workers", 0), node.get("max_workers", file.config.get("max_workers"))
    return str(least) if least == most else f"{least} to {most}"
