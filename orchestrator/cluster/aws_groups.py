"""Checks with AWS, before anything starts, that the security groups of a cluster file are closed to strangers."""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.cluster.security_rules import Violation, group_violations, security_groups
from orchestrator.errors import EnvironmentProblem, UserError


def violations(file: ClusterFile, allowed: Sequence[str]) -> list[Violation]:
    """Return the violations in the groups that the file names, except allowed ones; none for other providers.

    With `metadata.ssh_from`, opening SSH to any other network is a violation. Raises EnvironmentProblem if AWS does not
    respond, and UserError if `ssh_from` is not a network.
    """
    names = security_groups(file.config)
    if not names:
        return []
    violations = [violation for group in _described(file, names) for violation in _of_group(file, group)]
    return [violation for violation in violations if violation.rule not in allowed]


def _of_group(file: ClusterFile, group: Mapping[str, Any]) -> Iterator[Violation]:
    where = f"security group {group['GroupId']}"
    expected = _expected(file)
    for rule, message, network in group_violations(group.get("IpPermissions", [])):
        if network is None or (expected is not None and not _within(network, expected)):
            yield Violation(rule, f"{where}: {message}", message)


def _expected(file: ClusterFile) -> Any:
    written = file.metadata.get("ssh_from")
    if written is None:
        return None
    try:
        return ipaddress.ip_network(written)
    except ValueError as error:
        raise UserError(f"{file.path}: metadata.ssh_from: {error}") from error


def _within(network: str, expected: Any) -> bool:
    open_to = ipaddress.ip_network(network, strict=False)
    return bool(open_to.version == expected.version and open_to.subnet_of(expected))


def _described(file: ClusterFile, names: Sequence[str]) -> list[dict[str, Any]]:
    try:
        boto3 = importlib.import_module("boto3")
        exceptions = importlib.import_module("botocore.exceptions")
    except ModuleNotFoundError as error:
        raise EnvironmentProblem("starting nodes on AWS needs boto3: pip install boto3") from error
    try:
        client = boto3.client("ec2", region_name=file.config["provider"]["region"])
        response = client.describe_security_groups(GroupIds=list(names))
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise EnvironmentProblem(f"AWS cannot describe {', '.join(names)}: {error}") from error
    groups: list[dict[str, Any]] = response["SecurityGroups"]
    return groups
