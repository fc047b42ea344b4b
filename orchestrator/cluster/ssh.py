"""Connects to a cluster's machines: SSH, a tunnel from local loopback to the dashboard, and the cluster's token.

Only the user can read the token's file.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.cluster.security_rules import DASHBOARD_PORT
from orchestrator.errors import EnvironmentProblem

PRIVATE = 0o600
OTHERS = 0o077


def token_path() -> Path:
    """Return where Ray looks for the token (`RAY_AUTH_TOKEN_PATH`, else `~/.ray/auth_token`)."""
    written = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(written).expanduser() if written else Path.home() / ".ray" / "auth_token"


def token() -> str | None:
    """Return this user's token, or None. Raises EnvironmentProblem for a file that cannot be read."""
    if written := os.environ.get("RAY_AUTH_TOKEN"):
        return written.strip()
    try:
        return token_path().read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"the token in {token_path()} cannot be read: {error}") from error


def ensure_token() -> bool:
    """Create a token if there is none, and keep its file private; True if it is new."""
    if token() is not None:
        if token_path().is_file() and token_path().stat().st_mode & OTHERS:
            token_path().chmod(PRIVATE)
        return False
    token_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    token_path().unlink(missing_ok=True)
    descriptor = os.open(token_path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32))
    return True


CONNECT_SECONDS = 10
OPEN_SECONDS = 30.0
LOOK_SECONDS = 0.1


def hosts(file: ClusterFile) -> list[str]:
    """Return the machines that the file names, head first; none if a provider creates them."""
    provider = file.config["provider"]
    if "head_ip" not in provider:
        return []
    return [str(provider.get("external_head_ip") or provider["head_ip"]), *map(str, provider.get("worker_ips") or [])]


def check_ssh(file: ClusterFile, host: str) -> None:
    """Raise EnvironmentProblem unless a command can be run on the host."""
    failure = failure_of(file, host, "true")
    if failure is not None:
        raise EnvironmentProblem(f"{failure}: it cannot be reached by SSH")


def failure_of(file: ClusterFile, host: str, command: str) -> str | None:
    """Run a command on the host, in a login shell as Ray's launcher does; return what went wrong, or None."""
    remote = f"bash --login -c {shlex.quote(command)}"
    done = subprocess.run([*_ssh(file, host), remote], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return f"{host}: {next(reversed(done.stderr.strip().splitlines()), f'code {done.returncode}')}"


def known_hosts(file: ClusterFile) -> Path:
    """Return the file with this cluster's host keys: a cloud reuses the addresses of ended machines."""
    return token_path().parent / f"known_hosts-{re.sub(r'[^A-Za-z0-9_.-]', '-', file.name)}"


@contextlib.contextmanager
def tunnel(file: ClusterFile, host: str, port: int = 0) -> Iterator[str]:
    """Open a tunnel to the head's dashboard; yield its address on this machine's loopback.

    `port` 0 means any free one. However this process ends, the tunnel ends with it: the command at its other end waits
    for the end of its input. Raises EnvironmentProblem if SSH cannot connect or the port is taken.
    """
    port = _free(port)
    command = _ssh(file, host)
    forward = ["-T", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:{DASHBOARD_PORT}"]
    process = subprocess.Popen(
        [command[0], *forward, *command[1:], "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_open(process, port, host)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


def _ssh(file: ClusterFile, host: str) -> list[str]:
    auth = file.config.get("auth") or {}
    known_hosts(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = [
        "BatchMode=yes",
        f"ConnectTimeout={CONNECT_SECONDS}",
        "ServerAliveInterval=15",
        "StrictHostKeyChecking=accept-new",
        f'UserKnownHostsFile="{known_hosts(file)}"',
    ]
    if proxy := auth.get("ssh_proxy_command"):
        options.append(f"ProxyCommand={proxy}")
    key = ["-i", str(Path(auth["ssh_private_key"]).expanduser())] if auth.get("ssh_private_key") else []
    flags = [part for option in options for part in ("-o", option)]
    return ["ssh", *key, *flags, "-l", str(auth.get("ssh_user", "ubuntu")), "--", host]


def _wait_until_open(process: subprocess.Popen[str], port: int, host: str) -> None:
    deadline = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            lines = (process.stderr.read() if process.stderr else "").strip().splitlines()
            raise EnvironmentProblem(f"no tunnel to {host}: {lines[-1] if lines else 'ssh ended at once'}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(LOOK_SECONDS)
    raise EnvironmentProblem(f"no tunnel to {host} within {OPEN_SECONDS:g} s")


def _free(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EnvironmentProblem(f"port {port} on this machine is taken; choose another with --port") from error
        return int(probe.getsockname()[1])
