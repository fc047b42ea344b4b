"""`make cluster-test`: a real cluster of two hosts on this machine, from `cluster up` to `cluster down`, with a sweep.

Each step says what it shows; the first thing that is not as it should be ends the program with code 1. Pictures of
the dashboard, the client's output and the results stay in the folder that it names at its end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pandas
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from analysis.tables.schema import VOLATILE_COLUMNS  # noqa: E402 - found by the line above, also where nothing is installed
from tests.cluster import dashboard, hosts  # noqa: E402

ORCHESTRATE = (sys.executable, "-m", "orchestrator")
SWEEP = ("sweep", "quickstart", "--seeds", "1-3", "--set", "train.epochs=3", "--no-analyze")
SPACE = "search={parameters: {train.learning_rate: {loguniform: [0.0001, 0.001]}}, trials: 3, scheduler: asha}"
SEARCH = ("search", "quickstart", "--models", "minilm-l3", "--set", "train.epochs=20", "--set", SPACE, "--lanes", "2")
GAUGES = ("runs", "lanes", "samples_per_second", "train_loss", "eval_loss", "score", "peak_memory_gib")
RAY_SIZES = "--num-cpus=1 --object-store-memory=100000000"
DASHBOARD_PORT = 18265
STRANGERS_TOKEN = "0" * 64


@dataclass
class Proof:
    """The client's side: its home, its cluster file, and the hosts."""

    folder: Path
    home: Path
    hosts: list[hosts.Host] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The cluster file."""
        return self.folder / "cluster.yaml"

    @property
    def shared(self) -> Path:
        """What every host mounts."""
        return self.folder / "shared"

    def orchestrate(
        self, *arguments: str, expect: int = 0, home: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command of ours on the client, from a folder of its own; its exit code must be as expected."""
        started = time.monotonic()
        done = subprocess.run(
            [*ORCHESTRATE, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder / "client",
            env=self.environment(home),
            check=False,
        )
        shown = " ".join(arguments).replace(str(self.folder), "...")
        click.echo(f"  $ orchestrate {shown}\n    exit code {done.returncode}, {time.monotonic() - started:.0f} s")
        if done.returncode != expect:
            raise SystemExit(f"{done.stdout}\n{done.stderr}\nexpected exit code {expect}, got {done.returncode}")
        return done

    def environment(self, home: Path | None = None) -> dict[str, str]:
        """What the client's commands see: no token but the one in its home."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "ORCHESTRATE"))}
        return {**kept, "HOME": str(home or self.home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def say(text: str) -> None:
    """A heading."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}")


def build(proof: Proof) -> None:
    """Hosts, a key, and the on-premise file with their addresses in it."""
    key = proof.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (proof.shared / "data").mkdir(parents=True)
    public = key.with_suffix(".pub").read_text()
    for number, name in enumerate(("head", "worker"), start=2):
        proof.hosts.append(hosts.start(proof.folder, name, number, public))
    content = yaml.safe_load((ROOT / "docs" / "cluster-on-premise.yaml").read_text())
    content["provider"] |= {"head_ip": proof.hosts[0].address, "worker_ips": [proof.hosts[1].address]}
    content["auth"] = {"ssh_user": "root", "ssh_private_key": str(key)}
    content["metadata"] = {"results": str(proof.shared / "results"), "data": str(proof.shared / "data")}
    content["file_mounts"]["~/orchestrate"] = str(ROOT)
    # The packages of this environment instead of an installation; the code is the copy that the launcher brings.
    content["setup_commands"] = [
        f"ln -sfn {sys.prefix} ~/venv",
        "echo 'export PYTHONPATH=~/orchestrate' >> ~/.profile",
        content["setup_commands"][-1],
    ]
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        content[name] = [command.replace("--metrics", f"{RAY_SIZES} --metrics") for command in content[name]]
    proof.file.write_text(yaml.safe_dump(content))


def refuse_open_doors(proof: Proof) -> None:
    """`check` passes the file, and refuses it with a dashboard for everybody; `up` refuses unreachable hosts."""
    proof.orchestrate("cluster", "check", str(proof.file))
    open_file = proof.folder / "open.yaml"
    open_file.write_text(proof.file.read_text().replace("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0"))
    done = proof.orchestrate("cluster", "up", str(open_file), "--yes", expect=2)
    assert "0.0.0.0" in done.stderr
    away = proof.folder / "away.yaml"
    away.write_text(proof.file.read_text().replace(proof.hosts[1].address, "10.77.0.99"))
    done = proof.orchestrate("cluster", "up", str(away), "--yes", expect=4)
    assert "10.77.0.99" in done.stderr, done.stderr
    assert "it cannot be reached by SSH" in done.stderr, done.stderr
    assert not any("ray" in line for host in proof.hosts for line in host.processes())


def bring_up(proof: Proof) -> None:
    """`up` starts both hosts, with a token that only its owner can read."""
    done = proof.orchestrate("cluster", "up", str(proof.file), "--yes")
    (proof.folder / "up.txt").write_text(done.stderr)
    for token in (proof.home / ".ray" / "auth_token", proof.hosts[0].home / ".ray" / "auth_token"):
        assert token.stat().st_mode & 0o077 == 0, f"{token} is open to others"
    deadline = time.monotonic() + 240
    while "2.0 CPU" not in (said := proof.orchestrate("cluster", "status", str(proof.file)).stdout):
        assert time.monotonic() < deadline, f"the worker has not joined:\n{said}"
        time.sleep(5.0)
    listening = proof.hosts[0].run("ss", "-ltnH")
    (proof.folder / "ports.txt").write_text(listening)
    assert "127.0.0.1:8265" in listening, listening
    assert not any(line.split()[3] in ("0.0.0.0:8265", "*:8265", "[::]:8265") for line in listening.splitlines())


def refuse_strangers(proof: Proof) -> None:
    """Without the token, or with another one, nothing answers: not the dashboard, not jobs, not a driver."""
    stranger = proof.folder / "stranger"
    (stranger / ".ray").mkdir(parents=True)
    where = ["--cluster", str(proof.file)]
    done = proof.orchestrate("cluster", "submit", *where, *SWEEP, expect=4, home=stranger)
    assert "it asks for a token" in done.stderr, done.stderr
    (stranger / ".ray" / "auth_token").write_text(STRANGERS_TOKEN)
    done = proof.orchestrate("cluster", "submit", *where, *SWEEP, expect=4, home=stranger)
    assert "is not its token" in done.stderr, done.stderr
    click.echo(f"    {done.stderr.strip().splitlines()[-1].replace(str(proof.folder), '...')}")
    for token in (None, STRANGERS_TOKEN):
        refuse_driver(proof, stranger, token)
    done = proof.orchestrate("cluster", "submit", "--address", "http://127.0.0.1:9", *SWEEP, "--out", "/x", expect=4)
    assert "no Ray dashboard answers" in done.stderr, done.stderr


def refuse_driver(proof: Proof, home: Path, token: str | None) -> None:
    """A sweep that somebody starts on a machine of the cluster, with no token or a wrong one, ends with code 4."""
    address = f"{proof.hosts[0].address}:6379"
    known = [f"HOME={home}", f"PYTHONPATH={ROOT}"]
    (home / ".ray" / "auth_token").unlink(missing_ok=True)
    if token is not None:
        known.append("RAY_AUTH_MODE=token")
        (home / ".ray" / "auth_token").write_text(token)
    command = [*ORCHESTRATE, *SWEEP, "--address", address, "--out", str(proof.folder / "stolen")]
    done = proof.hosts[1].try_to_run("env", *known, *command)
    click.echo(
        f"  $ orchestrate sweep ... --address {address}, {'without a' if token is None else 'with a wrong'} token"
    )
    click.echo(f"    exit code {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 4, done.stderr
    assert not list((proof.folder / "stolen").glob("runs/*/run.parquet"))


def sweep(proof: Proof) -> str:
    """A sweep is sent and left alone; its job is found by name, and pictures show the dashboard meanwhile."""
    sent = ["cluster", "submit", "--cluster", str(proof.file), "--detach", *SWEEP, "--lanes", "2"]
    name = proof.orchestrate(*sent).stdout.strip()
    with ExitStack() as stack:
        tunnel = subprocess.Popen(
            [*ORCHESTRATE, "cluster", "dashboard", str(proof.file), "--port", str(DASHBOARD_PORT)],
            stdout=subprocess.PIPE,
            text=True,
            env=proof.environment(),
        )
        stack.callback(tunnel.terminate)
        assert tunnel.stdout is not None
        address = tunnel.stdout.readline().strip()
        token = (proof.home / ".ray" / "auth_token").read_text()
        view = dashboard.View(address, token)
        view.wait_for_lanes(2, seconds=180)
        names = view.names()
        click.echo("".join(f"    {line}\n" for line in names).rstrip())
        assert {"trainer | lane 0", "trainer | lane 1"} <= {line.rpartition(" |")[0] for line in names}, names
        dashboard.pictures(address, token, name, proof.folder)
        read_metrics(proof, view)
    return name


def read_metrics(proof: Proof, view: dashboard.View) -> None:
    """Every gauge is there once a run has ended, while the sweep still goes on."""
    deadline = time.monotonic() + 240
    addresses = [host.address for host in proof.hosts]
    while not all(f"orchestrate_{name}{{" in (found := view.metrics(addresses, proof.hosts[0])) for name in GAUGES):
        assert time.monotonic() < deadline, f"not all of {GAUGES}:\n{found}"
        time.sleep(2.0)
    (proof.folder / "metrics.txt").write_text(found)
    lines = [line for line in found.splitlines() if not line.startswith("#")]
    click.echo("".join(f"    {line}\n" for line in lines if "orchestrate_score" in line or 'running"' in line).rstrip())
    assert any('status="running"' in line.lower() for line in lines), found


def follow(proof: Proof, name: str) -> None:
    """`attach` follows to the end, passes the exit code on, and brings the results."""
    where = ["--cluster", str(proof.file)]
    done = proof.orchestrate("cluster", "attach", name, *where, "--fetch")
    (proof.folder / "attach.txt").write_text(done.stdout + done.stderr)
    assert (proof.folder / "client" / "results" / "quickstart" / "runs.parquet").is_file(), done.stdout
    done = proof.orchestrate("cluster", "submit", *where, "analyze", "quickstart", "--json")
    assert '"systems"' in done.stdout, done.stdout


def compare(proof: Proof) -> None:
    """The same sweep on the client alone gives the same table, but for times and machines."""
    local = proof.folder / "local"
    proof.orchestrate(*SWEEP, "--out", str(local), "--in-process")
    there = pandas.read_parquet(proof.folder / "client" / "results" / "quickstart" / "runs.parquet")
    here = pandas.read_parquet(local / "runs.parquet")
    columns = [name for name in here.columns if name not in VOLATILE_COLUMNS]
    ours, theirs = (frame.sort_values("run_id").reset_index(drop=True)[columns] for frame in (here, there))
    pandas.testing.assert_frame_equal(ours, theirs, check_exact=True)
    click.echo(f"    {len(ours)} runs, {len(columns)} columns equal; scores {ours['score'].round(4).tolist()}")
    spans = sorted(zip(there["started_at"], there["finished_at"], strict=True))
    assert any(later[0] < earlier[1] for earlier, later in pairwise(spans)), f"no two runs overlap: {spans}"


def stop_and_go_on(proof: Proof) -> None:
    """A search is stopped by its job's name: exit code 143; the same request goes on, from the checkpoints."""
    where, out = ["--cluster", str(proof.file)], proof.shared / "stopped"
    request = ["cluster", "submit", *where, *SEARCH, "--no-analyze", "--out", str(out)]
    name = proof.orchestrate(*request[:2], "--detach", *request[2:]).stdout.strip()
    deadline = time.monotonic() + 240
    while not list(out.glob("runs/*/log.txt")):
        assert time.monotonic() < deadline, "no trial has begun"
        time.sleep(1.0)
    time.sleep(10.0)
    done = proof.orchestrate("cluster", "attach", name, *where, "--stop", expect=143)
    (proof.folder / "stopped.txt").write_text(done.stdout + done.stderr)
    assert "stopped with a checkpoint" in done.stdout, done.stdout
    proof.orchestrate(*request)
    trials = pandas.read_parquet(out / "trials.parquet")
    click.echo(f"    {dict(trials['status'].value_counts())}, {int(trials['epochs'].sum())} epochs")
    assert len(trials) == 3
    assert set(trials["status"]) <= {"completed", "pruned"}
    assert any("going on from step" in log.read_text() for log in out.glob("runs/*/log.txt"))


def refuse_bad_requests(proof: Proof) -> None:
    """More than the cluster has, and a mistake in the command: one clear error, and the job's own exit code."""
    where = ["cluster", "submit", "--cluster", str(proof.file)]
    done = proof.orchestrate(*where, *SWEEP, "--out", str(proof.shared / "big"), "--workers", "65", expect=2)
    assert "can never start: the cluster has 2 CPUs" in done.stdout, done.stdout
    done = proof.orchestrate(*where, "sweep", "quickstrat", expect=2)
    assert "did you mean 'quickstart'" in done.stderr, done.stderr
    done = proof.orchestrate("cluster", "attach", "nobody", "--cluster", str(proof.file), expect=2)
    assert "no job 'nobody'" in done.stderr, done.stderr


def take_down(proof: Proof) -> None:
    """`down` leaves no process of Ray on any host; the results stay."""
    proof.orchestrate("cluster", "down", str(proof.file), "--yes")
    time.sleep(3.0)
    for host in proof.hosts:
        left = host.processes()
        click.echo(f"    on {host.name}: {len(left)} processes besides the SSH server")
        assert not [line for line in left if "ray" in line or ("orchestrat" in line and "hosts.py" not in line)], left
    assert (proof.shared / "results" / "quickstart" / "runs.parquet").is_file()


def prove(folder: Path) -> None:
    """Every step in order."""
    proof = Proof(folder, hosts.prepare_here(folder))
    (folder / "client").mkdir(exist_ok=True)
    say("two hosts")
    build(proof)
    steps: tuple[Callable[[Proof], Any], ...] = (refuse_open_doors, bring_up, refuse_strangers)
    for step in steps:
        say(str(step.__doc__))
        step(proof)
    say(str(sweep.__doc__))
    name = sweep(proof)
    say(str(follow.__doc__))
    follow(proof, name)
    for step in (compare, stop_and_go_on, refuse_bad_requests, take_down):
        say(str(step.__doc__))
        step(proof)


def main() -> int:
    """Outside: a folder and the namespaces; inside: the proof."""
    if hosts.is_inside():
        prove(Path(sys.argv[1]))
        return 0
    reason = hosts.missing()
    if reason is not None:
        click.echo(f"cannot run here: {reason}", err=True)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="cluster-test-"))
    control_paths = set(Path("/tmp").glob("ray_ssh_*"))
    started = time.monotonic()
    code = hosts.enter([sys.executable, __file__, str(folder)])
    for left in set(Path("/tmp").glob("ray_ssh_*")) - control_paths:
        shutil.rmtree(left, ignore_errors=True)
    result = "proven" if code == 0 else f"FAILED with code {code}"
    click.echo(json.dumps({"result": result, "seconds": round(time.monotonic() - started), "folder": str(folder)}))
    return code


if __name__ == "__main__":
    sys.exit(main())
