"""Each open door has a failing example: it is refused at its line, and only the flag that names it lets it pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.cluster import RULES as FLAGS
from orchestrator.cluster.cluster_file import read
from orchestrator.cluster.security_rules import RULES, violations
from tests.orchestrator.cluster.files import AWS, ON_PREMISE, changed

GROUP = """  use_internal_ips: false
  security_group:
    GroupName: ours
    IpPermissions:
      - {{FromPort: {first}, ToPort: {last}, IpProtocol: {protocol}, {ranges}}}
"""
NO_GROUPS = ("      SecurityGroupIds: [sg-CHANGE-ME]\n", "")
WORLD = "IpRanges: [{CidrIp: 0.0.0.0/0}]"
OFFICE = "IpRanges: [{CidrIp: 198.51.100.0/24}]"
USER_IMAGE = "docker: {image: rayproject/ray:latest-gpu, container_name: ray}\nauth:\n"


def group(first: int, last: int, ranges: str, protocol: str = "tcp") -> tuple[str, str]:
    """A change that gives the AWS file a rule for a security group."""
    return "  use_internal_ips: false", GROUP.format(first=first, last=last, ranges=ranges, protocol=protocol).rstrip(
        "\n"
    )


EXAMPLES = [
    ("open-ssh", AWS, NO_GROUPS),
    ("open-ssh", AWS, ("          Groups: [sg-CHANGE-ME]\n", "")),
    ("open-ssh", AWS, group(22, 22, WORLD)),
    ("open-ssh", AWS, group(22, 22, "Ipv6Ranges: [{CidrIpv6: '::/0'}]")),
    ("open-ssh", AWS, group(22, 22, "IpRanges: [{CidrIp: 0.0.0.0/1}, {CidrIp: 128.0.0.0/1}]")),
    ("open-ssh", AWS, group(22, 22, "IpRanges: [{CidrIp: everybody}]")),
    ("open-ports", AWS, group(8265, 8265, WORLD)),
    ("open-ports", AWS, group(6000, 7000, WORLD)),
    ("public-dashboard", AWS, ("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0")),
    ("public-dashboard", ON_PREMISE, ("--dashboard-host=127.0.0.1", "--dashboard-host '::'")),
    ("no-authentication", AWS, ("export RAY_AUTH_MODE=token RAY_TRAIN", "export RAY_TRAIN")),
    ("no-authentication", AWS, ("export RAY_AUTH_MODE=token ORCHESTRATE_DATA", "export ORCHESTRATE_DATA")),
    ("no-authentication", AWS, ("  ~/.ray/auth_token: ~/.ray/auth_token", "  ~/other: ~/other")),
    ("no-authentication", ON_PREMISE, ("RAY_AUTH_MODE=token PATH=~/venv", "RAY_AUTH_MODE=disabled PATH=~/venv")),
    ("unpinned", AWS, ("ImageId: ami-CHANGE-ME", "ImageId: latest_dlami")),
    ("unpinned", AWS, ("      ImageId: ami-CHANGE-ME", "      EbsOptimized: true")),
    ("unpinned", AWS, ("auth:\n", USER_IMAGE)),
    ("unpinned", ON_PREMISE, ("--constraint ~/orchestrate/constraints.txt ", "")),
    ("unpinned", AWS, ("boto3==1.44.5", "boto3")),
    ("old-metadata", AWS, ("HttpTokens: required", "HttpTokens: optional")),
    ("unknown-provider", AWS, ("type: aws", "type: gcp")),
]


@pytest.mark.parametrize("path", [AWS, ON_PREMISE], ids=lambda path: path.name)
def test_the_files_of_the_project_break_no_rule(path: Path) -> None:
    assert violations(read(path)) == []


@pytest.mark.parametrize(("rule", "source", "change"), EXAMPLES)
def test_an_open_door_is_refused_and_only_its_own_flag_lets_it_pass(
    tmp_path: Path, rule: str, source: Path, change: tuple[str, str]
) -> None:
    file = read(changed(tmp_path, source, change))
    found = violations(file)
    assert {violation.rule for violation in found} == {rule}
    assert all(violation.where.startswith(str(file.path)) for violation in found)
    assert violations(file, set(RULES) - {rule}) == found
    assert violations(file, {rule}) == []


def test_every_rule_has_an_example_and_a_flag() -> None:
    assert {rule for rule, _, _ in EXAMPLES} == set(RULES)
    assert tuple(RULES) == FLAGS


def test_ssh_from_a_named_network_is_no_open_door(tmp_path: Path) -> None:
    assert violations(read(changed(tmp_path, AWS, group(22, 22, OFFICE)))) == []


def test_a_rule_for_every_port_opens_ssh_and_the_others(tmp_path: Path) -> None:
    found = violations(read(changed(tmp_path, AWS, group(-1, -1, WORLD, protocol="'-1'"))))
    assert [violation.rule for violation in found] == ["open-ssh", "open-ports"]


def test_what_the_file_leaves_out_is_judged_by_what_ray_fills_in(tmp_path: Path) -> None:
    text = AWS.read_text(encoding="utf-8")
    head = text.index("head_start_ray_commands:")
    path = tmp_path / "cluster.yaml"
    path.write_text(text[:head], encoding="utf-8")
    found = {violation.rule: violation.message for violation in violations(read(path))}
    assert set(found) == {"public-dashboard", "no-authentication"}
    assert "the dashboard listens on 0.0.0.0" in found["public-dashboard"]


def test_an_image_with_its_digest_and_packages_with_versions_are_pinned(tmp_path: Path) -> None:
    image = f"docker: {{image: 'rayproject/ray@sha256:{'0' * 64}', container_name: ray}}\nauth:\n"
    several = ("boto3==1.44.5", "boto3==1.44.5 'botocore==1.44.5'")
    assert violations(read(changed(tmp_path, AWS, ("auth:\n", image), several))) == []
