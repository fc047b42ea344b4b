"""What is sent to a cluster: one command of ours, where it runs, and where its results go; sends nothing."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.config import load
from orchestrator.errors import UserError

VERBS = ("sweep", "search", "analyze")
STOP_SECONDS = 60


@dataclass(frozen=True)
class Place:
    """Where things are on the cluster. `results` and `data` are paths that every node mounts, or URIs."""

    results: str | None = None
    data: str | None = None


@dataclass(frozen=True)
class Submission:
    """One job. `folder` is sent along as its working directory; `results` is where it leaves what it makes."""

    name: str
    command: tuple[str, ...]
    results: str
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def entrypoint(self) -> str:
        """The command as Ray wants it: one line for the shell of the head node, every argument quoted."""
        return shlex.join(self.command)

    def runtime_environment(self) -> dict[str, Any]:
        """What the job runs in; secrets have no place here, since the dashboard shows it."""
        sent = (
            {} if self.folder is None else {"working_dir": str(self.folder), "excludes": ["/results/", ".git", ".venv"]}
        )
        return {**sent, "env_vars": dict(self.environment)}


def prepare(
    verb: str, arguments: Sequence[str], values: Mapping[str, Any], place: Place, folder: Path | None
) -> Submission:
    """The job for one command line. `values` are its options as the command itself reads them.

    `folder` None sends the experiment file's folder, and nothing for a built-in experiment. Raises UserError.
    """
    if values.get("address"):
        raise UserError("--address has no place here: the job runs inside the cluster")
    if verb == "analyze":
        return _analysis(arguments, values, place)
    experiment = str(values["experiment"])
    name = load.load(experiment).experiment.experiment
    results = _location(values.get("out"), place, name)
    written = _quiet(arguments) if values.get("out") else [*_quiet(arguments), "--out", results]
    path = Path(experiment).expanduser()
    if path.is_file():
        folder = folder or path.absolute().parent
        inside = _inside(path, folder)
        written = [inside if argument == experiment else argument for argument in written]
    return Submission(_job_name(verb, name), ("orchestrate", verb, *written), results, folder, _environment(place))


def _analysis(arguments: Sequence[str], values: Mapping[str, Any], place: Place) -> Submission:
    """A relative source, or the experiment of a file, means one of the cluster's results directories."""
    sources = {source: _source(source, place) for source in values["sources"]}
    results = _location(values["out"], place, "") if values.get("out") else f"{next(iter(sources.values()))}/analysis"
    written = [sources.get(argument, argument) for argument in _quiet(arguments)]
    name = _job_name("analyze", Path(next(iter(sources.values()))).name)
    return Submission(name, ("orchestrate", "analyze", *written), results, None, _environment(place))


def _source(written: str, place: Place) -> str:
    name = load.named_by(written)
    return _location(written if name is None and not _is_relative(written) else None, place, name or written)


def _quiet(arguments: Sequence[str]) -> list[str]:
    """A job has one log for both its streams: where one of them is a JSON document, progress stays out of it."""
    return [*arguments, "--quiet"] if "--json" in arguments and "--quiet" not in arguments else [*arguments]


def _location(out: str | None, place: Place, name: str) -> str:
    if out is None:
        if place.results is None:
            raise UserError(
                "where do the results go on the cluster? Say so with --results or --out (a path that every node "
                "mounts, or s3://...), or in the cluster file: metadata: {results: ...}"
            )
        return f"{_absolute(place.results, '--results').rstrip('/')}/{name}"
    return _absolute(out, "--out")


def _absolute(location: str, option: str) -> str:
    if _is_relative(location):
        raise UserError(f"{option} must be an absolute path on the cluster, or a URI; got {location!r}")
    return location


def _is_relative(location: str) -> bool:
    return "://" not in location and not location.startswith("/")


def _inside(path: Path, folder: Path) -> str:
    try:
        return f"./{path.absolute().relative_to(folder.absolute())}"
    except ValueError:
        raise UserError(f"{path} is not in {folder}, which is what is sent") from None


def _environment(place: Place) -> dict[str, str]:
    found = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
    return found if place.data is None else {**found, "ORCHESTRATE_DATA": place.data}


def _job_name(verb: str, name: str) -> str:
    return f"{verb}-{re.sub(r'[^A-Za-z0-9_.-]', '-', name)[:40]}-{secrets.token_hex(3)}"
