"""Starts and ends clusters with Ray's launcher: always a list of arguments, never a shell on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator import ray_private
from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.cluster.ssh import answers, failure_of, hosts, known_hosts
from orchestrator.errors import EnvironmentProblem
from trainables.system.private_parts import require

STATUS = "ray status"
STOP = "ray stop"


def ready(file: ClusterFile) -> None:
    """Raise UserError for a file with values to fill in, and for named hosts that cannot be reached."""
    for host in hosts(file.filled_in()):
        answers(file, host)


def up(file: ClusterFile) -> None:
    """Start the cluster, or bring it up to date. Raises EnvironmentProblem when Ray's launcher fails."""
    _run("up", str(file.path), "--yes", "--no-config-cache")


def down(file: ClusterFile) -> None:
    """End every machine of the cluster (on named hosts: every process of Ray). Raises EnvironmentProblem.

    Of named hosts Ray's launcher ends the head alone: the workers were started from there, unknown to it here.
    """
    _run("down", str(file.path), "--yes")
    stop = next((found for found in file.config.get("worker_start_ray_commands") or [] if STOP in found), STOP)
    left = [said for host in hosts(file)[1:] if (said := failure_of(file, host, stop)) is not None]
    if left:
        raise EnvironmentProblem(f"Ray may still run there: {'; '.join(left)}")
    known_hosts(file).unlink(missing_ok=True)


def status(file: ClusterFile) -> None:
    """Print what the cluster's head says of its nodes. Raises EnvironmentProblem."""
    _run("exec", str(file.path), STATUS, "--no-config-cache", output_is_data=True)


def copy_from_head(file: ClusterFile, source: str, target: Path) -> None:
    """Bring a folder of the head node here, into `target`. Raises EnvironmentProblem."""
    target.mkdir(parents=True, exist_ok=True)
    _run("rsync-down", str(file.path), f"{source.rstrip('/')}/", f"{target}/")


def head_address(file: ClusterFile) -> str:
    """The address of the running head as it is reached from here. Raises EnvironmentProblem."""
    if file.provider == "local":
        return hosts(file)[0]
    found = subprocess.run([*_ray(), "get-head-ip", str(file.path)], capture_output=True, text=True, check=False)
    if found.returncode or not found.stdout.strip():
        raise EnvironmentProblem(f"no running head of {file.name}: {_last_line(found.stderr)}; start it: cluster up")
    return found.stdout.strip().splitlines()[-1]


def _ray() -> list[str]:
    """Ray's command line in this Python. Raises UnsupportedVersion."""
    require(ray_private.LAUNCHER)
    return [sys.executable, "-P", "-m", str(ray_private.LAUNCHER)]


def _run(*arguments: str, output_is_data: bool = False) -> None:
    """Ray's own lines go to stderr, as progress does, unless they are what was asked for."""
    code = _call([*_ray(), *arguments], output_is_data)
    if code:
        raise EnvironmentProblem(f"ray {arguments[0]} ended with code {code}; what it said is above")


def _call(command: Sequence[str], output_is_data: bool) -> int:
    stdout = None if output_is_data else sys.stderr.fileno()
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stdout, check=False).returncode


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "it said nothing")
