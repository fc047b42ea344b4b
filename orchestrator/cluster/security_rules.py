"""The security rules that a cluster file must keep; only a flag that names a rule accepts its violations."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.cluster.cluster_file import PROVIDERS, ClusterFile, is_placeholder
from orchestrator.config.yaml_file import KeyPath

SSH_PORT = 22
DASHBOARD_PORT = 8265
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
WORLD = {4: 8, 6: 16}  # a network with a shorter prefix holds strangers
TOKEN_MODE = re.compile(r"\bRAY_AUTH_MODE=[\"']?token\b")
OTHER_MODE = re.compile(r"\bRAY_AUTH_MODE=(?![\"']?token\b)")
START = re.compile(r"\bray start\b")
DASHBOARD_HOST = re.compile(r"--dashboard-host[= ][\"']?([^\s\"';&|]+)")
IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}\Z")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
INSTALL = re.compile(r"\bpip3? install\b(?P<what>[^;&|]*)")
PINS_ALL = re.compile(r"\s(-c|--constraint|--require-hashes)\b")
START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")
SETUP_COMMANDS = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands")

Findings = Iterator[tuple[KeyPath, str]]
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Violation:
    """One open door: `--allow` takes its `rule`; `where` says file, line and message; `message` what to write."""

    rule: str
    where: str
    message: str


def violations(file: ClusterFile, allowed: Iterable[str] = ()) -> list[Violation]:
    """Return every violation of the rules that are not allowed by name, in the order of the rules."""
    violations = []
    for rule, find in RULES.items():
        if rule in allowed:
            continue
        for path, message in find(file.config):
            problem = file.document.problem(path, message)
            violations.append(Violation(rule, problem.render(file.document.source), message))
    return violations


def security_groups(config: Config) -> list[str]:
    """Return the names of all security groups that the file gives to nodes on AWS."""
    return sorted({group for _, node in _nodes(config) for group in _groups(node)})


def group_violations(permissions: Iterable[Config]) -> Iterator[tuple[str, str, str | None]]:
    """Yield rule, message and network for everything that inbound permissions admit; network None: the world.

    Whether a smaller network is a violation depends on the networks that are meant, which the caller knows.
    """
    for permission in permissions:
        for network in _networks(permission):
            rule = "open-ssh" if _is_only(permission, SSH_PORT) else "open-ports"
            what = "SSH" if rule == "open-ssh" else _ports(permission)
            yield rule, f"opens {what} to {network}", None if _is_world(network) else network


def _open_ssh(config: Config) -> Findings:
    """Find SSH open to the world, by a rule of the file or by the group that Ray creates if the file names none."""
    for path, permission in _inbound(config):
        for network in filter(_is_world, _networks(permission)):
            if _admits(permission, SSH_PORT):
                yield path, f"opens SSH to {network}; name the network you connect from, e.g. 203.0.113.0/24"
    for path, node in _nodes(config):
        if not _groups(node):
            yield (
                path,
                "names no SecurityGroupIds, and the group that Ray creates instead opens SSH to 0.0.0.0/0; name yours",
            )


def _open_ports(config: Config) -> Findings:
    """Find other ports open to the world, including the dashboard's."""
    for path, permission in _inbound(config):
        for network in filter(_is_world, _networks(permission)):
            if not _is_only(permission, SSH_PORT):
                yield path, f"opens {_ports(permission)} to {network}; members of the group need no rule of their own"


def _public_dashboard(config: Config) -> Findings:
    """Find dashboards that others can reach: the dashboard runs code for anyone."""
    for path, command in _commands(config, START_COMMANDS):
        for host in DASHBOARD_HOST.findall(command):
            if host not in LOOPBACK:
                yield path, f"the dashboard listens on {host}; write --dashboard-host=127.0.0.1 and use a tunnel"


def _no_authentication(config: Config) -> Findings:
    """Find each `ray start` that does not require the token, and a file that does not provide it."""
    started = False
    for path, command in _commands(config, (*START_COMMANDS, *SETUP_COMMANDS)):
        if OTHER_MODE.search(command):
            yield path, "switches token authentication off; write RAY_AUTH_MODE=token"
        elif match := START.search(command):
            started = True
            if not TOKEN_MODE.search(command[: match.start()]):
                yield path, "starts Ray without token authentication; put `export RAY_AUTH_MODE=token;` before it"
    mounted = any(str(target).endswith(".ray/auth_token") for target in config.get("file_mounts") or {})
    if started and not mounted:
        yield ("file_mounts",), "provides no token; add `~/.ray/auth_token: ~/.ray/auth_token`"


def _unpinned(config: Config) -> Findings:
    """Find images and packages without a fixed version: a later start must install the same."""
    for path, node in _nodes(config):
        image = str(node.get("ImageId", ""))
        if not IMAGE_ID.match(image) and not is_placeholder(image):
            yield (*path, "ImageId"), f"{image or 'no ImageId'}: name one image, ami-..."
    docker = config.get("docker") or {}
    for key in ("image", "head_image", "worker_image"):
        image = str(docker.get(key, ""))
        if image and not DIGEST.search(image):
            yield ("docker", key), f"{image} can change under this name; add its digest: {image}@sha256:..."
    for path, command in _commands(config, SETUP_COMMANDS):
        for install in INSTALL.finditer(command):
            if not _pins(install["what"]):
                yield path, "pip installs the newest versions; add --constraint, or == to every name"


def _old_metadata(config: Config) -> Findings:
    """Find nodes with version 1 of AWS's metadata service: anyone who makes one fetch a URL gets its credentials."""
    for path, node in _nodes(config):
        if (node.get("MetadataOptions") or {}).get("HttpTokens") != "required":
            yield path, "allows version 1 of the metadata service; write MetadataOptions: {HttpTokens: required}"


def _unknown_provider(config: Config) -> Findings:
    """Find other clouds: these rules only know what Ray creates on AWS and on named hosts."""
    if config["provider"]["type"] not in PROVIDERS:
        yield (
            ("provider", "type"),
            f"these rules only know {' and '.join(PROVIDERS)}; check for yourself what is open to whom",
        )


RULES: dict[str, Callable[[Config], Findings]] = {
    "open-ssh": _open_ssh,
    "open-ports": _open_ports,
    "public-dashboard": _public_dashboard,
    "no-authentication": _no_authentication,
    "unpinned": _unpinned,
    "old-metadata": _old_metadata,
    "unknown-provider": _unknown_provider,
}


def _commands(config: Config, keys: Iterable[str]) -> Iterator[tuple[KeyPath, str]]:
    for key in keys:
        yield from (((key, index), str(command)) for index, command in enumerate(config.get(key) or []))
    for name, node in (config.get("available_node_types") or {}).items():
        for key in ("initialization_commands", "worker_setup_commands"):
            for index, command in enumerate(node.get(key) or []):
                yield ("available_node_types", name, key, index), str(command)


def _nodes(config: Config) -> Iterator[tuple[KeyPath, Config]]:
    """Yield the node types on AWS."""
    if config["provider"]["type"] == "aws":
        for name, node in (config.get("available_node_types") or {}).items():
            yield ("available_node_types", name, "node_config"), node["node_config"]


def _groups(node: Config) -> list[str]:
    """Return the security groups that a node type names, for itself or for each network interface."""
    interfaces = node.get("NetworkInterfaces") or []
    if interfaces and all(interface.get("Groups") for interface in interfaces):
        return [group for interface in interfaces for group in interface["Groups"]]
    return list(node.get("SecurityGroupIds") or [])


def _inbound(config: Config) -> Iterator[tuple[KeyPath, Config]]:
    """Yield the inbound rules of the file, with which Ray creates a group."""
    group = config["provider"].get("security_group") or {}
    for index, permission in enumerate(group.get("IpPermissions") or []):
        yield ("provider", "security_group", "IpPermissions", index), permission


def _networks(permission: Config) -> list[str]:
    """Return the networks that one inbound rule admits; other security groups are no networks."""
    ipv4 = [str(entry.get("CidrIp")) for entry in permission.get("IpRanges") or []]
    return ipv4 + [str(entry.get("CidrIpv6")) for entry in permission.get("Ipv6Ranges") or []]


def _is_world(network: str) -> bool:
    """Return whether a network has addresses of many owners; one that cannot be parsed counts."""
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return True
    return parsed.prefixlen < WORLD[parsed.version]


def _is_only(permission: Config, port: int) -> bool:
    return permission.get("FromPort") == permission.get("ToPort") == port and str(permission.get("IpProtocol")) != "-1"


def _admits(permission: Config, port: int) -> bool:
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    return str(permission.get("IpProtocol")) == "-1" or -1 in (first, last) or first <= port <= last


def _ports(permission: Config) -> str:
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if str(permission.get("IpProtocol")) == "-1" or None in (first, last):
        return "every port"
    return f"port {first}" if first == last else f"ports {first} to {last}"


def _pins(arguments: str) -> bool:
    names = [word.strip("\"'") for word in arguments.split() if not word.startswith("-")]
    return bool(PINS_ALL.search(arguments)) or (bool(names) and all("==" in name for name in names))
