"""How far `cluster.yaml` goes on AWS without AWS: the launcher's own steps up to SSH, against moto's imitation of EC2.

Run by hand (`pip install 'moto[ec2,iam]' boto3`, then `python tests/cluster/prove_aws.py`): moto and boto3 together are
larger than what they prove is worth in every installation. The launcher accepts the file, asks EC2 for the
machines that `cluster check` prints, and makes no security group; the group that it would make otherwise opens
SSH to the world; and `cluster up` refuses groups that admit more than the file says.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
import click
import yaml
from moto import mock_aws

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from orchestrator.cluster import aws_groups, security_rules  # noqa: E402 - found by the line above
from orchestrator.cluster.cluster_file import read  # noqa: E402

REGION = "us-east-2"
ZONE = "us-east-2b"
OURS = "203.0.113.0/24"


def main() -> int:
    """Every step in order; an assertion ends it."""
    with tempfile.TemporaryDirectory() as folder, mock_aws():
        ec2 = boto3.client("ec2", region_name=REGION)
        path = Path(folder) / "cluster.yaml"
        group = prepared(ec2, path)
        refuse_open_groups(ec2, path, group)
        config = launched(ec2, path, group)
        open_group_of_ray(ec2, config)
    click.echo("proven, up to the first SSH connection")
    return 0


def prepared(ec2: Any, path: Path) -> str:
    """What the comments of the file ask a person to do first; returns the security group."""
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [ZONE]}])["Subnets"][0]
    ec2.create_key_pair(KeyName="orchestrate")
    iam = boto3.client("iam")
    for name in ("orchestrate-head", "orchestrate-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    made = ec2.create_security_group(GroupName="orchestrate", Description="orchestrate", VpcId=subnet["VpcId"])
    group = str(made["GroupId"])
    inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[inside, ssh(OURS)])
    image = ec2.describe_images()["Images"][0]["ImageId"]
    key = path.with_name("key.pem")
    key.write_text("no key: nothing gets so far as to use it")
    text = (ROOT / "cluster.yaml").read_text()
    for placeholder, value in (
        ("ami-CHANGE-ME", image),
        ("subnet-CHANGE-ME", subnet["SubnetId"]),
        ("sg-CHANGE-ME", group),
        ("-head-CHANGE-ME", "-head"),
        ("-worker-CHANGE-ME", "-worker"),
        ("s3://CHANGE-ME", "s3://ours"),
        ("~/.ssh/orchestrate.pem", str(key)),
    ):
        text = text.replace(placeholder, value)
    path.write_text(text)
    return group


def ssh(network: str) -> dict[str, Any]:
    """An inbound rule."""
    return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": network}]}


def refuse_open_groups(ec2: Any, path: Path, group: str) -> None:
    """The group as the comments make it passes; one that admits the world, or another network, does not."""
    file = read(path)
    assert security_rules.violations(file) == []
    assert aws_groups.violations(file, ()) == []
    for network in ("0.0.0.0/0", "198.51.100.0/24"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh(network)])
        found = aws_groups.violations(file, ())
        assert [breach.rule for breach in found] == ["open-ssh"], found
        assert aws_groups.violations(file, ("open-ssh",)) == []
        click.echo(f"refused: {found[0].where}")
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ssh(network)])


def launched(ec2: Any, path: Path, group: str) -> dict[str, Any]:
    """The launcher's configuration of the file, and its requests for the head and a worker."""
    from ray.autoscaler._private.commands import _bootstrap_config
    from ray.autoscaler._private.providers import _get_node_provider
    from ray.autoscaler.tags import TAG_RAY_NODE_KIND, TAG_RAY_NODE_NAME, TAG_RAY_NODE_STATUS

    written = yaml.safe_load(path.read_text())
    config: dict[str, Any] = _bootstrap_config(copy.deepcopy(written), no_config_cache=True)
    provider = _get_node_provider(config["provider"], config["cluster_name"])
    for kind, name in (("head", "head"), ("worker", "b200")):
        tags = {TAG_RAY_NODE_KIND: kind, TAG_RAY_NODE_NAME: f"ray-{name}", TAG_RAY_NODE_STATUS: "uninitialized"}
        provider.create_node(config["available_node_types"][name]["node_config"], tags, 1)
    asked = [found for part in ec2.describe_instances()["Reservations"] for found in part["Instances"]]
    for found in asked:
        named = [*found["SecurityGroups"], *(group for card in found["NetworkInterfaces"] for group in card["Groups"])]
        groups = {entry["GroupId"] for entry in named}
        tokens = found.get("MetadataOptions", {}).get("HttpTokens")
        click.echo(f"asked for: {found['InstanceType']} in {found['SubnetId']}, groups {groups}, metadata {tokens}")
        assert groups == {group}
    assert sorted(found["InstanceType"] for found in asked) == ["m7i.2xlarge", "p6-b200.48xlarge"]
    names = {found["GroupName"] for found in ec2.describe_security_groups()["SecurityGroups"]}
    assert names == {"default", "orchestrate"}, names
    provider.terminate_nodes([found["InstanceId"] for found in asked])
    states = {
        found["State"]["Name"] for part in ec2.describe_instances()["Reservations"] for found in part["Instances"]
    }
    assert states <= {"shutting-down", "terminated"}, states
    return written


def open_group_of_ray(ec2: Any, config: dict[str, Any]) -> None:
    """Without a group in the file, the launcher makes one that admits SSH from everywhere: why that is refused."""
    from ray.autoscaler._private.commands import _bootstrap_config

    config["available_node_types"]["head"]["node_config"].pop("SecurityGroupIds")
    _bootstrap_config(config, no_config_cache=True)
    groups = ec2.describe_security_groups()["SecurityGroups"]
    made = next(found for found in groups if found["GroupName"].startswith("ray-autoscaler"))
    networks = [entry["CidrIp"] for rule in made["IpPermissions"] for entry in rule["IpRanges"]]
    assert networks == ["0.0.0.0/0"], networks
    click.echo(f"the group that Ray makes: SSH from {networks[0]}")


if __name__ == "__main__":
    sys.exit(main())
