"""The commands under `cluster`: look at its file, start and end it, and send sweeps to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options as options
from orchestrator.cli.cluster_jobs import DEFAULT_FILE, attach, submit
from orchestrator.cli.session import Commands, command
from orchestrator.console.console import Console, table

if TYPE_CHECKING:
    from orchestrator.cluster.cluster_file import ClusterFile
    from orchestrator.cluster.security_rules import Breach

RULES = (
    "open-ssh",
    "open-ports",
    "public-dashboard",
    "no-authentication",
    "unpinned",
    "old-metadata",
    "unknown-provider",
)

file_argument = click.argument("file", default=DEFAULT_FILE, metavar="[FILE]")
allow_option = click.option(
    "--allow", "allowed", multiple=True, type=click.Choice(RULES), help="Let this rule be broken; repeatable."
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.group(cls=Commands)
def cluster() -> None:
    """Start a cluster of many machines, send sweeps to it, follow them, end it.

    FILE is a cluster file of Ray's launcher (default: cluster.yaml). Exit codes are those of every command; a job's
    own is passed on.
    """


@cluster.command()
@file_argument
@allow_option
@options.json_option
@command
def check(console: Console, file: str, allowed: tuple[str, ...]) -> None:
    """Check a cluster file: Ray's schema, open doors, and what would run. Asks no machine and starts nothing."""
    from orchestrator.cluster import describe

    found = _checked(console, file, allowed)
    unfilled = [problem.render(file) for problem in found.placeholders()]
    if console.as_json:
        parts = {
            "nodes": describe.nodes(found),
            "ports": describe.ports(found),
            "commands": describe.commands(found),
        }
        console.document({"cluster": found.name, "provider": found.provider, **parts, "to_fill_in": unfilled})
        return
    console.data(_shown(found))
    for text in unfilled:
        console.warning(text)
    if unfilled:
        console.note("`cluster up` starts once these are filled in")


@cluster.command()
@file_argument
@allow_option
@yes_option
@command
def up(console: Console, file: str, allowed: tuple[str, ...], yes: bool) -> None:
    """Start a cluster, or bring a running one up to date, with Ray's launcher."""
    from orchestrator.cluster import aws_groups, launcher, token_file

    found = _checked(console, file, allowed)
    launcher.ready(found)
    _refuse(aws_groups.breaches(found, allowed))
    _agreed(f"Start {found.name}, as `cluster check` shows it?", yes)
    if token_file.ensure():
        console.note(f"made a token: {token_file.path()}")
    launcher.up(found)
    console.data(f"{found.name} is up\nnext:    orchestrate cluster submit --cluster {file} sweep EXPERIMENT")


@cluster.command()
@file_argument
@yes_option
@command
def down(console: Console, file: str, yes: bool) -> None:
    """End a cluster and every job on it. Results on a shared path or in an object store stay."""
    from orchestrator.cluster import cluster_file, launcher

    found = cluster_file.read(Path(file))
    _agreed(f"End {found.name} and everything that runs on it?", yes)
    launcher.down(found)
    console.data(f"{found.name} is down")


@cluster.command()
@file_argument
@command
def status(console: Console, file: str) -> None:
    """What the cluster's nodes are and do, as its head sees it."""
    from orchestrator.cluster import cluster_file, launcher

    launcher.status(cluster_file.read(Path(file)))


@cluster.command()
@file_argument
@click.option("--port", type=click.IntRange(1, 65535), default=8265, show_default=True, help="Of this machine.")
@command
def dashboard(console: Console, file: str, port: int) -> None:
    """Bring the head's dashboard to this machine by an SSH tunnel, until Ctrl-C."""
    import threading

    from orchestrator.cluster import cluster_file, launcher, ssh, token_file

    found = cluster_file.read(Path(file))
    with ssh.tunnel(found, launcher.head_address(found), port) as address:
        console.data(address)
        console.note(f"it asks for the token in {token_file.path()}; Ctrl-C closes the tunnel")
        threading.Event().wait()


for _command in (submit, attach):
    cluster.add_command(_command)


def _checked(console: Console, file: str, allowed: tuple[str, ...]) -> ClusterFile:
    """The file, when it breaks no rule that is not allowed. Raises UserError with every breach."""
    from orchestrator.cluster import cluster_file, security_rules

    found = cluster_file.read(Path(file))
    refused = security_rules.breaches(found, allowed)
    for breach in security_rules.breaches(found):
        if breach.rule in allowed:
            console.warning(f"{breach.where} (allowed: {breach.rule})")
    _refuse(refused)
    return found


def _refuse(breaches: list[Breach]) -> None:
    """Raise UserError if there are any."""
    from orchestrator.errors import UserError

    if breaches:
        raise UserError("\n".join(f"{breach.where} (or: --allow {breach.rule})" for breach in breaches))


def _agreed(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this asks first, and there is no terminal to ask on; pass --yes")
    click.confirm(question, abort=True, err=True)


def _shown(file: ClusterFile) -> str:
    from orchestrator.cluster import describe

    parts = [f"{file.name} ({file.provider}), as it would start"]
    for rows in (describe.nodes(file), describe.ports(file), describe.commands(file)):
        if rows:
            parts.append(table(list(rows[0]), [list(row.values()) for row in rows]))
    places = "\n".join(f"{name}: {value}" for name, value in file.metadata.items())
    return "\n\n".join([*parts, places]) if places else "\n\n".join(parts)
