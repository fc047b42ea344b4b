"""Starts and ends clusters with Ray's launcher, always with a list of arguments and without a local shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator import ray_private
from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.cluster.ssh import check_ssh, failure_of, hosts, known_hosts
from orchestrator.errors import EnvironmentProblem
from trainables.system.private_parts import require

STATUS = "ray status"
STOP = "ray stop"


def ready(file: ClusterFile) -> None:
    """Raise UserError for a file with values to fill in, EnvironmentProblem for named hosts that cannot be reached."""
    for host in hosts(file.filled_in()):
        check_ssh(file, host)


def up(file: ClusterFile) -> None:
    """Start the cluster, or update a running one. Raises EnvironmentProblem if Ray's launcher fails."""
    _run("up", str(file.path), "--yes", "--no-config-cache")


def down(file: ClusterFile) -> None:
    """End every machine of the cluster (on named hosts: every process of Ray). Raises EnvironmentProblem.

    On named hosts Ray's launcher ends the head only: the head started the workers, which the launcher does not know.
    """
    _run("down", str(file.path), "--yes")
    stop = next((command for command in file.config.get("worker_start_ray_commands") or [] if STOP in command), STOP)
    failures = [failure for host in hosts(file)[1:] if (failure := failure_of(file, host, stop)) is not None]
    if failures:
        raise EnvironmentProblem(f"Ray may still be running: {'; '.join(failures)}")
    known_hosts(file).unlink(missing_ok=True)


def status(file: ClusterFile) -> None:
    """Print the cluster's nodes as its head reports them. Raises EnvironmentProblem."""
    _run("exec", str(file.path), STATUS, "--no-config-cache", output_is_data=True)


def copy_from_head(file: ClusterFile, source: str, target: Path) -> None:
    """Copy a folder of the head node into `target`. Raises EnvironmentProblem."""
    target.mkdir(parents=True, exist_ok=True)
    _run("rsync-down", str(file.path), f"{source.rstrip('/')}/", f"{target}/")


def head_address(file: ClusterFile) -> str:
    """Return the address at which this machine reaches the running head. Raises EnvironmentProblem."""
    if file.provider == "local":
        return hosts(file)[0]
    done = subprocess.run([*_ray(), "get-head-ip", str(file.path)], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise EnvironmentProblem(
            f"{file.name} has no running head: {_last_line(done.stderr)}; start it: orchestrate cluster up"
        )
    return done.stdout.strip().splitlines()[-1]


def _ray() -> list[str]:
    """Return the command that runs Ray's command line in this Python. Raises UnsupportedVersion."""
    require(ray_private.LAUNCHER)
    return [sys.executable, "-P", "-m", str(ray_private.LAUNCHER)]


def _run(*arguments: str, output_is_data: bool = False) -> None:
    """Run a command of Ray. Its output goes to stderr, as progress does, unless it is the requested data."""
    code = _call([*_ray(), *arguments], output_is_data)
    if code:
        raise EnvironmentProblem(f"ray {arguments[0]} ended with code {code}; see its output above")


def _call(command: Sequence[str], output_is_data: bool) -> int:
    stdout = None if output_is_data else sys.stderr.fileno()
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stdout, check=False).returncode


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "it printed nothing")
