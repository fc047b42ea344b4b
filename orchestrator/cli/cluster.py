"""The commands under `cluster`: check its file, start and end it, send sweeps to it and follow them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import Commands, command
from orchestrator.console.console import Console, clean, table
from orchestrator.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from orchestrator.cluster.cluster_file import ClusterFile
    from orchestrator.cluster.jobs import Jobs
    from orchestrator.cluster.security_rules import Violation


DEFAULT_FILE = "cluster.yaml"

cluster_option = click.option("--cluster", "file", metavar="FILE", help="The cluster file. Default: cluster.yaml.")
fetch_option = click.option("--fetch", is_flag=True, help="Copy the results to results/ here afterwards.")
address_option = click.option(
    "--address",
    metavar="URL",
    help="The dashboard's address instead of a file, e.g. http://127.0.0.1:8265 on the head.",
)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@cluster_option
@address_option
@click.option(
    "--results", metavar="DIR|URI", help="Where results go on the cluster. Default: as the cluster file says."
)
@click.option("--data", metavar="DIR", help="Where data is on the cluster. Default: as the cluster file says.")
@click.option(
    "--working-directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to send along. Default: the experiment file's folder.",
)
@click.option("--detach", is_flag=True, help="Print the job's name and do not follow it.")
@fetch_option
@click.argument(
    "arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="sweep|search|analyze ARGUMENTS..."
)
@command
def submit(
    console: Console,
    file: str | None,
    address: str | None,
    arguments: tuple[str, ...],
    detach: bool,
    fetch: bool,
    **values: Any,
) -> int:
    """Send a command to a cluster as a job, and follow it as if it ran here. The job outlives this command."""
    from orchestrator.cluster.jobs import ClusterPaths, check_reachable, prepare

    config = _cluster_file(file, address)
    metadata = {} if config is None else config.metadata
    paths = ClusterPaths(values["results"] or metadata.get("results"), values["data"] or metadata.get("data"))
    verb, *rest = arguments
    submission = prepare(verb, rest, _parsed(verb, rest), paths, values["working_directory"])
    if fetch:
        check_reachable(submission.results, config)
    with _connected(config, address) as jobs:
        name = jobs.send(submission)
        console.note(f"job {name}: {submission.entrypoint}\nresults on the cluster: {submission.results}")
        if detach:
            console.data(name)
            console.note(f"to follow it: {_attach(file, address)} {name}")
            return 0
        return _follow(console, jobs, name, config, fetch, _attach(file, address))


@click.command()
@click.argument("job", required=False)
@cluster_option
@address_option
@click.option("--stop", is_flag=True, help="Stop the job; a sweep stops its runs with a checkpoint.")
@fetch_option
@command
def attach(console: Console, job: str | None, file: str | None, address: str | None, stop: bool, fetch: bool) -> int:
    """Follow a job that was sent earlier, from its beginning. Default: the newest job."""
    from orchestrator.errors import UserError

    config = _cluster_file(file, address)
    with _connected(config, address) as jobs:
        names = jobs.names() if job is None else [job]
        if not names:
            raise UserError("there is no job on this cluster; send one with `orchestrate cluster submit`")
        jobs.results(names[-1])
        if stop:
            jobs.stop(names[-1])
        return _follow(console, jobs, names[-1], config, fetch, _attach(file, address))


def _follow(console: Console, jobs: Jobs, name: str, config: ClusterFile | None, fetch: bool, again: str) -> int:
    from orchestrator.cluster.jobs import fetch as bring

    try:
        ended = jobs.follow(name, lambda text: click.echo(clean(text), nl=False))
    except KeyboardInterrupt:
        console.note(f"job {name} goes on\nto follow it: {again} {name}\nto stop it:   {again} --stop {name}")
        return EXIT_INTERRUPTED
    if ended.results is not None:
        console.note(f"results on the cluster: {ended.results}")
    if fetch and ended.results is not None:
        console.data(f"results here: {bring(ended.results, config)}")
    return ended.exit_code


def _cluster_file(file: str | None, address: str | None) -> ClusterFile | None:
    """Return the cluster file; None if only an address was given."""
    from orchestrator.cluster import cluster_file

    if file is None and address is not None:
        return None
    return cluster_file.read(Path(file or DEFAULT_FILE)).filled_in()


@contextlib.contextmanager
def _connected(config: ClusterFile | None, address: str | None) -> Iterator[Jobs]:
    """Connect to a cluster's jobs, at its address or through a tunnel to its head."""
    from orchestrator.cluster import launcher, ssh
    from orchestrator.cluster.jobs import Jobs

    if address is not None or config is None:
        yield Jobs(str(address))
        return
    with ssh.tunnel(config, launcher.head_address(config)) as tunnelled:
        yield Jobs(tunnelled)


def _parsed(verb: str, arguments: list[str]) -> dict[str, Any]:
    """Parse the options of the command that will run there, so that mistakes show here."""
    from orchestrator.cluster.jobs import VERBS
    from orchestrator.config.key_names import suggestion

    program = click.get_current_context().find_root().command
    assert isinstance(program, click.Group)
    known = [name for name in VERBS if name in program.commands]
    if verb not in known:
        raise click.UsageError(f"cannot send {verb!r} to a cluster{suggestion(verb, known)}")
    with program.commands[verb].make_context(f"orchestrate {verb}", list(arguments)) as context:
        source = click.core.ParameterSource.ENVIRONMENT  # this machine's RAY_ADDRESS means nothing there
        return {name: value for name, value in context.params.items() if context.get_parameter_source(name) != source}


def _attach(file: str | None, address: str | None) -> str:
    where = f" --address {address}" if address is not None else f" --cluster {file}" if file is not None else ""
    return f"orchestrate cluster attach{where}"


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
    "--allow", "allowed", multiple=True, type=click.Choice(RULES), help="Accept violations of this rule; repeatable."
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.group(cls=Commands)
def cluster() -> None:
    """Start a cluster of machines, send sweeps to it, follow them, and end it.

    FILE is a cluster file of Ray's launcher (default: cluster.yaml). Exit codes are those of every command; following a
    job ends with the job's own.
    """


@cluster.command()
@file_argument
@allow_option
@options.json_option
@command
def check(console: Console, file: str, allowed: tuple[str, ...]) -> None:
    """Check a cluster file: Ray's schema, security, and what would run. Contacts no machine and starts nothing."""
    from orchestrator.cluster import describe

    config = _checked(console, file, allowed)
    unfilled = [problem.render(file) for problem in config.placeholders()]
    if console.as_json:
        parts = {
            "nodes": describe.nodes(config),
            "ports": describe.ports(config),
            "commands": describe.commands(config),
        }
        console.document({"cluster": config.name, "provider": config.provider, **parts, "to_fill_in": unfilled})
        return
    console.data(_shown(config))
    for text in unfilled:
        console.warning(text)
    if unfilled:
        console.note("fill these in before `cluster up`")


@cluster.command()
@file_argument
@allow_option
@yes_option
@command
def up(console: Console, file: str, allowed: tuple[str, ...], yes: bool) -> None:
    """Start a cluster with Ray's launcher, or update a running one."""
    from orchestrator.cluster import aws_groups, launcher, ssh

    config = _checked(console, file, allowed)
    launcher.ready(config)
    _refuse(aws_groups.violations(config, allowed))
    _agreed(f"Start {config.name}, as `cluster check` shows it?", yes)
    if ssh.ensure_token():
        console.note(f"created a token: {ssh.token_path()}")
    launcher.up(config)
    console.data(f"{config.name} is up\nnext:    orchestrate cluster submit --cluster {file} sweep EXPERIMENT")


@cluster.command()
@file_argument
@yes_option
@command
def down(console: Console, file: str, yes: bool) -> None:
    """End a cluster and every job on it. Results on a shared path or in an object store stay."""
    from orchestrator.cluster import cluster_file, launcher

    config = cluster_file.read(Path(file))
    _agreed(f"End {config.name} and everything that runs on it?", yes)
    launcher.down(config)
    console.data(f"{config.name} is down")


@cluster.command()
@file_argument
@command
def status(console: Console, file: str) -> None:
    """Show the cluster's nodes and their state, as its head sees them."""
    from orchestrator.cluster import cluster_file, launcher

    launcher.status(cluster_file.read(Path(file)))


@cluster.command()
@file_argument
@click.option("--port", type=click.IntRange(1, 65535), default=8265, show_default=True, help="Local port.")
@command
def dashboard(console: Console, file: str, port: int) -> None:
    """Open the head's dashboard on this machine through an SSH tunnel, until Ctrl-C."""
    import threading

    from orchestrator.cluster import cluster_file, launcher, ssh

    config = cluster_file.read(Path(file))
    with ssh.tunnel(config, launcher.head_address(config), port) as address:
        console.data(address)
        console.note(f"it asks for the token in {ssh.token_path()}; Ctrl-C closes the tunnel")
        threading.Event().wait()


for _command in (submit, attach):
    cluster.add_command(_command)


def _checked(console: Console, file: str, allowed: tuple[str, ...]) -> ClusterFile:
    """Return the file if it violates no rule, except allowed ones. Raises UserError with every violation."""
    from orchestrator.cluster import cluster_file, security_rules

    config = cluster_file.read(Path(file))
    refused = security_rules.violations(config, allowed)
    for violation in security_rules.violations(config):
        if violation.rule in allowed:
            console.warning(f"{violation.where} (allowed: {violation.rule})")
    _refuse(refused)
    return config


def _refuse(violations: list[Violation]) -> None:
    """Raise UserError if there are any."""
    from orchestrator.errors import UserError

    if violations:
        raise UserError("\n".join(f"{violation.where} (or: --allow {violation.rule})" for violation in violations))


def _agreed(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this needs confirmation, and there is no terminal to ask on; pass --yes")
    click.confirm(question, abort=True, err=True)


def _shown(file: ClusterFile) -> str:
    from orchestrator.cluster import describe

    parts = [f"{file.name} ({file.provider}), as it would start"]
    for rows in (describe.nodes(file), describe.ports(file), describe.commands(file)):
        if rows:
            parts.append(table(list(rows[0]), [list(row.values()) for row in rows]))
    metadata = "\n".join(f"{name}: {value}" for name, value in file.metadata.items())
    return "\n\n".join([*parts, metadata]) if metadata else "\n\n".join(parts)
