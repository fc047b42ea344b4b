"""The commands under `cluster`: look at its file, start and end it, send sweeps to it and follow them."""

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

cluster_option = click.option("--cluster", "file", metavar="FILE", help="The cluster's file. Default: cluster.yaml.")
fetch_option = click.option("--fetch", is_flag=True, help="Bring the results here afterwards, into results/.")
address_option = click.option(
    "--address", metavar="URL", help="The dashboard's address instead of a file: http://127.0.0.1:8265 on the head."
)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@cluster_option
@address_option
@click.option(
    "--results", metavar="DIR|URI", help="Where results go on the cluster. Default: as the cluster file says."
)
@click.option("--data", metavar="DIR", help="Where data lies on the cluster. Default: as the cluster file says.")
@click.option(
    "--working-directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to send along. Default: the experiment file's.",
)
@click.option("--detach", is_flag=True, help="Do not follow: print the job's name and leave.")
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
    """Send a command to a cluster as a job, and follow it as if it ran here. It goes on when this command ends."""
    from orchestrator.cluster.jobs import ClusterPaths, check_reachable, prepare

    found = _cluster_file(file, address)
    said = {} if found is None else found.metadata
    place = ClusterPaths(values["results"] or said.get("results"), values["data"] or said.get("data"))
    verb, *rest = arguments
    submission = prepare(verb, rest, _parsed(verb, rest), place, values["working_directory"])
    if fetch:
        check_reachable(submission.results, found)
    with _connected(found, address) as jobs:
        name = jobs.send(submission)
        console.note(f"job {name}: {submission.entrypoint}\nresults on the cluster: {submission.results}")
        if detach:
            console.data(name)
            console.note(f"follow it: {_attach(file, address)} {name}")
            return 0
        return _follow(console, jobs, name, found, fetch, _attach(file, address))


@click.command()
@click.argument("job", required=False)
@cluster_option
@address_option
@click.option("--stop", is_flag=True, help="Ask the job to end; a sweep stops its runs with a checkpoint.")
@fetch_option
@command
def attach(console: Console, job: str | None, file: str | None, address: str | None, stop: bool, fetch: bool) -> int:
    """Follow a job that was sent earlier, from its beginning; the newest one unless JOB says which."""
    from orchestrator.errors import UserError

    found = _cluster_file(file, address)
    with _connected(found, address) as jobs:
        names = jobs.names() if job is None else [job]
        if not names:
            raise UserError("there is no job on this cluster; send one with `orchestrate cluster submit`")
        jobs.results(names[-1])
        if stop:
            jobs.stop(names[-1])
        return _follow(console, jobs, names[-1], found, fetch, _attach(file, address))


def _follow(console: Console, jobs: Jobs, name: str, found: ClusterFile | None, fetch: bool, again: str) -> int:
    from orchestrator.cluster.jobs import fetch as bring

    try:
        ended = jobs.follow(name, lambda text: click.echo(clean(text), nl=False))
    except KeyboardInterrupt:
        console.note(f"job {name} goes on without you\nfollow it: {again} {name}\nend it:    {again} --stop {name}")
        return EXIT_INTERRUPTED
    if ended.results is not None:
        console.note(f"results on the cluster: {ended.results}")
    if fetch and ended.results is not None:
        console.data(f"results here: {bring(ended.results, found)}")
    return ended.exit_code


def _cluster_file(file: str | None, address: str | None) -> ClusterFile | None:
    """The cluster file that is meant, if one is: with an address alone there is none."""
    from orchestrator.cluster import cluster_file

    if file is None and address is not None:
        return None
    return cluster_file.read(Path(file or DEFAULT_FILE)).filled_in()


@contextlib.contextmanager
def _connected(found: ClusterFile | None, address: str | None) -> Iterator[Jobs]:
    """The jobs of a cluster, at its address or through a tunnel to its head."""
    from orchestrator.cluster import launcher, ssh
    from orchestrator.cluster.jobs import Jobs

    if address is not None or found is None:
        yield Jobs(str(address))
        return
    with ssh.tunnel(found, launcher.head_address(found)) as tunnelled:
        yield Jobs(tunnelled)


def _parsed(verb: str, arguments: list[str]) -> dict[str, Any]:
    """The options of the command that is to run there, read as it will read them; so mistakes are found here."""
    from orchestrator.cluster.jobs import VERBS
    from orchestrator.config.error_messages import suggestion

    program = click.get_current_context().find_root().command
    assert isinstance(program, click.Group)
    known = [name for name in VERBS if name in program.commands]
    if verb not in known:
        raise click.UsageError(f"a cluster can be sent no {verb!r}{suggestion(verb, known)}")
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
    from orchestrator.cluster import aws_groups, launcher, ssh

    found = _checked(console, file, allowed)
    launcher.ready(found)
    _refuse(aws_groups.violations(found, allowed))
    _agreed(f"Start {found.name}, as `cluster check` shows it?", yes)
    if ssh.ensure_token():
        console.note(f"made a token: {ssh.token_path()}")
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

    from orchestrator.cluster import cluster_file, launcher, ssh

    found = cluster_file.read(Path(file))
    with ssh.tunnel(found, launcher.head_address(found), port) as address:
        console.data(address)
        console.note(f"it asks for the token in {ssh.token_path()}; Ctrl-C closes the tunnel")
        threading.Event().wait()


for _command in (submit, attach):
    cluster.add_command(_command)


def _checked(console: Console, file: str, allowed: tuple[str, ...]) -> ClusterFile:
    """The file, when it breaks no rule that is not allowed. Raises UserError with every breach."""
    from orchestrator.cluster import cluster_file, security_rules

    found = cluster_file.read(Path(file))
    refused = security_rules.violations(found, allowed)
    for breach in security_rules.violations(found):
        if breach.rule in allowed:
            console.warning(f"{breach.where} (allowed: {breach.rule})")
    _refuse(refused)
    return found


def _refuse(breaches: list[Violation]) -> None:
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
