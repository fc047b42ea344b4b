"""Two machines on one: hosts with their own network, processes, home and `/tmp/ray`, reached by a real SSH server.

`enter` starts this program again as the first process of a namespace of its own; whatever is started in there ends with
it, and every mount and network device with it. Needs root, and `unshare`, `ip`, `sshd` and `rsync`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("unshare", "ip", "mount", "ssh", "ssh-keygen", "rsync", "bash", "/usr/sbin/sshd")
INSIDE = "ORCHESTRATE_CLUSTER_TEST"
BRIDGE = "10.77.0.1"
READY_SECONDS = 20.0


def missing() -> str | None:
    """Why this cannot run here, or None."""
    programs = [name for name in NEEDED if shutil.which(name) is None]
    if programs:
        return f"no {', '.join(programs)} here (Debian: apt-get install openssh-server rsync iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    return tried.stderr.strip() or "namespaces are refused here" if tried.returncode else None


def enter(arguments: Sequence[str]) -> int:
    """Run this program's arguments in namespaces of their own; returns their exit code."""
    command = ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
    return subprocess.run([*command, *arguments], env={**os.environ, INSIDE: "1"}, check=False).returncode


def is_inside() -> bool:
    """Whether this is the process that `enter` started."""
    return os.environ.get(INSIDE) == "1" and os.getpid() == 1


@dataclass(frozen=True)
class Host:
    """One machine: its address, its home folder, and the process that is its first."""

    name: str
    address: str
    home: Path
    process: subprocess.Popen[bytes]

    def run(self, *command: str) -> str:
        """What a command on the host prints; it must succeed."""
        done = self.try_to_run(*command)
        done.check_returncode()
        return done.stdout

    def try_to_run(self, *command: str, seconds: float = 180.0) -> subprocess.CompletedProcess[str]:
        """What becomes of a command on the host."""
        inside = ["nsenter", f"--target={self.first}", "--mount", "--net", "--pid", "--uts"]
        return subprocess.run([*inside, *command], capture_output=True, text=True, check=False, timeout=seconds)

    @property
    def first(self) -> int:
        """The process id, as seen from here, of the host's first process."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=True)
        return int(found.stdout.split()[0])

    def processes(self) -> list[str]:
        """The command lines of everything that runs on the host, but for the look itself."""
        lines = self.run("ps", "-eo", "args=").splitlines()
        return [line for line in lines if not line.startswith(("ps -eo", "sshd:", "/usr/sbin/sshd", "sleep"))]


def prepare_here(folder: Path) -> Path:
    """The network's near end and private places for the client; returns its home. Only inside `enter`."""
    assert is_inside()
    _run("mount", "--make-rprivate", "/")
    for place in ("/dev/shm", "/run"):
        _run("mount", "-t", "tmpfs", "tmpfs", place)
    Path("/run/sshd").mkdir(mode=0o755)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "bridge0", "type", "bridge")
    _run("ip", "address", "add", f"{BRIDGE}/24", "dev", "bridge0")
    _run("ip", "link", "set", "bridge0", "up")
    return _private_places(folder, "client")


def start(folder: Path, name: str, number: int, public_key: str) -> Host:
    """Start a host with an SSH server that admits the key's owner as root."""
    home = folder / name / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    (home / ".ssh" / "authorized_keys").write_text(public_key)
    _server_configuration(folder / name)
    address = f"10.77.0.{number}"
    _run("ip", "netns", "add", name)
    _run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
    _run("ip", "link", "set", f"to-{name}", "master", "bridge0", "up")
    for part in (["address", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
        _run("ip", "-n", name, *part)
    _run("ip", "-n", name, "link", "set", "lo", "up")
    _run("ip", "-n", name, "route", "add", "default", "via", BRIDGE)  # Ray takes the address that leads out
    namespaces = ["unshare", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
    itself = [sys.executable, str(Path(__file__).resolve()), str(folder), name]
    process = subprocess.Popen(
        ["ip", "netns", "exec", name, *namespaces, *itself], env={**_clean_environment(), "HOME": str(home)}
    )
    _wait_for(address)
    return Host(name, address, home, process)


def _clean_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}


def _be_a_host(folder: Path, name: str) -> None:
    """The first process of a host: its own places, then the SSH server, and the burial of orphans."""
    socket.sethostname(name)
    _private_places(folder, name)
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / name / "sshd_config")])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _private_places(folder: Path, name: str) -> Path:
    """A home of its own for root, by a passwd file of its own, and a `/tmp/ray` of its own; returns the home."""
    place = folder / name
    home = place / "home"
    home.mkdir(parents=True, exist_ok=True)
    entries = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
    others = [line for line in entries if not line.startswith("root:")]
    (place / "passwd").write_text("\n".join([f"root:x:0:0:root:{home}:/bin/bash", *others, ""]), encoding="utf-8")
    _run("mount", "--bind", str(place / "passwd"), "/etc/passwd")
    (place / "ray").mkdir()
    Path("/tmp/ray").mkdir(exist_ok=True)
    _run("mount", "--bind", str(place / "ray"), "/tmp/ray")
    return home


def _server_configuration(place: Path) -> None:
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "host_key"))
    (place / "sshd_config").write_text(
        f"HostKey {place / 'host_key'}\nPidFile none\nUsePAM no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nStrictModes no\nLogLevel FATAL\n"
    )


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address, 22), timeout=1.0).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no SSH server at {address}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    _be_a_host(Path(sys.argv[1]), sys.argv[2])
