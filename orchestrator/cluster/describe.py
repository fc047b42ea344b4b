"""Says what a cluster file would start: machines, ports and who reaches them, and the commands; starts nothing."""

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
    """One row a kind of machine: name, machine, count, gpus, price (`spot`, `on demand`, ...)."""
    provider = file.config["provider"]
    if file.provider == "local":
        hosts = [("head", [provider.get("head_ip", "-")]), ("worker", provider.get("worker_ips", []))]
        return [
            {"name": name, "machine": ", ".join(map(str, found)), "count": str(len(found)), "gpus": None, "price": "-"}
            for name, found in hosts
            if found
        ]
    return [_row(file, name, node) for name, node in (file.config.get("available_node_types") or {}).items()]


def ports(file: ClusterFile) -> list[dict[str, Any]]:
    """One row a port that is listened on: port, what, who reaches it."""
    inside = "machines of the group only" if file.provider == "aws" else "whoever reaches the machines, with the token"
    ssh_from = file.metadata.get("ssh_from")
    rows = {SSH_PORT: ("ssh", ssh_from or "whom the machines' firewall admits")}
    rows[DASHBOARD_PORT] = ("dashboard and jobs", "the head itself; others by a tunnel, with the token")
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        for command in file.config.get(key) or []:
            for found in _PORT.finditer(str(command)):
                name = found["name"] or "control service"
                who = inside.replace("with the token", "without a token") if name == _METRICS else inside
                if name != _DASHBOARD:
                    rows.setdefault(int(found["port"]), (name.replace("-", " "), who))
    rows.setdefault(10001, ("ray client", inside))
    return [{"port": port, "what": what, "who": who} for port, (what, who) in sorted(rows.items())]


def commands(file: ClusterFile) -> list[dict[str, str]]:
    """What is copied and run, in the order in which a machine sees it."""
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
