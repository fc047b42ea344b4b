"""Sends jobs to a running cluster, follows them across broken connections, stops them and fetches their results.

A job is one of our commands, with where it runs and where its results go. Results come from the head node by rsync,
or from an object store by their URI.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from analysis.tables.folder import Folder
from orchestrator.cluster import launcher, ssh
from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.config import load
from orchestrator.errors import EnvironmentProblem, UserError
from orchestrator.storage.find_results import RESULTS


def target_of(results: str) -> Path:
    """Return the local folder for these results: named like their last part, without options of a URI."""
    location = urlsplit(results).path or urlsplit(results).netloc if "://" in results else results
    return RESULTS / location.rstrip("/").rpartition("/")[2]


def check_reachable(results: str, file: ClusterFile | None) -> None:
    """Raise UserError for a location that `fetch` cannot copy from."""
    if "://" not in results and file is None:
        raise UserError(f"--fetch copies {results} from the head node by rsync: name the cluster with --cluster FILE")


def fetch(results: str, file: ClusterFile | None) -> Path:
    """Copy results into `results/` of the working directory, keeping other files there; return the folder."""
    check_reachable(results, file)
    target = target_of(results)
    if "://" in results:
        _download(results, target)
    elif file is not None:
        launcher.copy_from_head(file, results, target)
    return target


def _download(uri: str, target: Path) -> None:
    from pyarrow import fs

    target.mkdir(parents=True, exist_ok=True)
    try:
        source = Folder.at(uri)
        _refuse_links(target, source.files())
        fs.copy_files(source.path, str(target.absolute()), source_filesystem=source.filesystem)
    except OSError as error:
        location = uri.partition("?")[0].rpartition("@")[2]
        raise EnvironmentProblem(f"{location} cannot be read: {error}") from error


def _refuse_links(target: Path, names: Sequence[str]) -> None:
    """Raise UserError if a file would be written through a link; `target` itself may be a link."""
    parts = {part for name in map(PurePosixPath, names) for part in (name, *name.parents[:-1])}
    for part in sorted(parts):
        if (target / part).is_symlink():
            raise UserError(
                f"{target / part} is a link, and nothing is fetched through links: remove it, or move {target} away"
            )


VERBS = ("sweep", "search", "analyze")
STOP_SECONDS = 60


@dataclass(frozen=True)
class ClusterPaths:
    """Where things are on the cluster. `results` and `data` are paths that every node mounts, or URIs."""

    results: str | None = None
    data: str | None = None


@dataclass(frozen=True)
class Submission:
    """One job. `folder` is sent along as its working directory; `results` is where it writes its results."""

    name: str
    command: tuple[str, ...]
    results: str
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def entrypoint(self) -> str:
        """The command as Ray expects it: one line for the head node's shell, with every argument quoted."""
        return shlex.join(self.command)

    def runtime_environment(self) -> dict[str, Any]:
        """Return Ray's runtime environment of the job. It must hold no secrets: the dashboard shows it."""
        sent = (
            {} if self.folder is None else {"working_dir": str(self.folder), "excludes": ["/results/", ".git", ".venv"]}
        )
        return {**sent, "env_vars": dict(self.environment)}


def prepare(
    verb: str, arguments: Sequence[str], values: Mapping[str, Any], paths: ClusterPaths, folder: Path | None
) -> Submission:
    """Return the job for one command line. `values` are its options as the command itself parses them.

    `folder` None sends the experiment file's folder, and nothing for a built-in experiment. Raises UserError.
    """
    if values.get("address"):
        raise UserError("--address cannot be used here: the job runs inside the cluster")
    if verb == "analyze":
        return _analysis(arguments, values, paths)
    experiment = str(values["experiment"])
    name = load.load(experiment).experiment.experiment
    results = _location(values.get("out"), paths, name)
    written = _quiet(arguments) if values.get("out") else [*_quiet(arguments), "--out", results]
    path = Path(experiment).expanduser()
    if path.is_file():
        folder = folder or path.absolute().parent
        inside = _inside(path, folder)
        written = [inside if argument == experiment else argument for argument in written]
    return Submission(_job_name(verb, name), ("orchestrate", verb, *written), results, folder, _environment(paths))


def _analysis(arguments: Sequence[str], values: Mapping[str, Any], paths: ClusterPaths) -> Submission:
    """Return the job of an analysis; relative sources and experiment files mean results on the cluster."""
    sources = {source: _source(source, paths) for source in values["sources"]}
    results = _location(values["out"], paths, "") if values.get("out") else f"{next(iter(sources.values()))}/analysis"
    written = [sources.get(argument, argument) for argument in _quiet(arguments)]
    name = _job_name("analyze", Path(next(iter(sources.values()))).name)
    return Submission(name, ("orchestrate", "analyze", *written), results, None, _environment(paths))


def _source(written: str, paths: ClusterPaths) -> str:
    name = load.named_by(written)
    return _location(written if name is None and not _is_relative(written) else None, paths, name or written)


def _quiet(arguments: Sequence[str]) -> list[str]:
    """Add --quiet to --json: a job logs both streams together, and progress would end up in the document."""
    return [*arguments, "--quiet"] if "--json" in arguments and "--quiet" not in arguments else [*arguments]


def _location(out: str | None, paths: ClusterPaths, name: str) -> str:
    if out is None:
        if paths.results is None:
            raise UserError(
                "where do the results go on the cluster? Use --results or --out (a path that every node mounts, or "
                "s3://...), or set metadata: {results: ...} in the cluster file"
            )
        return f"{_absolute(paths.results, '--results').rstrip('/')}/{name}"
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
        raise UserError(f"{path} is not in {folder}, the folder that is sent") from None


def _environment(paths: ClusterPaths) -> dict[str, str]:
    variables = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
    return variables if paths.data is None else {**variables, "ORCHESTRATE_DATA": paths.data}


def _job_name(verb: str, name: str) -> str:
    return f"{verb}-{re.sub(r'[^A-Za-z0-9_.-]', '-', name)[:40]}-{secrets.token_hex(3)}"


CONNECT_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
EXIT_STOPPED = 143
_LOST = (ConnectionError, RuntimeError, aiohttp.ClientError, requests.RequestException)


@dataclass(frozen=True)
class Ended:
    """How a job ended. `exit_code` is the command's own, or 143 if the job was stopped; `message` may say why."""

    exit_code: int
    message: str
    results: str | None


class Jobs:
    """The jobs of the cluster whose dashboard is at an address (http://host:port)."""

    def __init__(self, address: str) -> None:
        """Connect. Raises EnvironmentProblem if nothing answers or refuses the token, UserError for a bad address."""
        self.address = address.rstrip("/")
        _probe(self.address)
        token = ssh.token()
        self._has_token = token is not None
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client: JobSubmissionClient = self._call(lambda: JobSubmissionClient(self.address, headers=headers))

    def send(self, submission: Submission) -> str:
        """Send a job; return its name. Raises EnvironmentProblem."""
        metadata = {"results": submission.results, "command": submission.entrypoint}
        return str(
            self._call(
                lambda: self._client.submit_job(
                    entrypoint=submission.entrypoint,
                    submission_id=submission.name,
                    runtime_env=submission.runtime_environment(),
                    metadata=metadata,
                )
            )
        )

    def stop(self, name: str) -> None:
        """Ask a job to end: a sweep then stops its runs with a checkpoint."""
        self._call(lambda: self._client.stop_job(name))

    def names(self) -> list[str]:
        """Return the names of the jobs that were sent, newest last."""
        jobs = self._call(self._client.list_jobs)
        sent = sorted((job.start_time or 0, job.submission_id) for job in jobs if job.submission_id)
        return [name for _, name in sent]

    def results(self, name: str) -> str | None:
        """Return where a job writes its results. Raises UserError for a job that the cluster does not know."""
        return (self._info(name).metadata or {}).get("results")

    def follow(self, name: str, write: Callable[[str], None]) -> Ended:
        """Pass on what the job writes until it ends, without repetitions after the connection breaks."""
        reader = _Reader(write)
        broken_since: float | None = None
        while True:
            try:
                asyncio.run(reader.read(self._client, name))
                info = self._client.get_job_info(name)
                broken_since = None
            except _LOST as error:
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > PATIENCE_SECONDS:
                    raise EnvironmentProblem(_lost(self.address, name, error)) from error
                info = None
            if info is not None and info.status.is_terminal():
                return _ended(info)
            time.sleep(LOOK_EVERY_SECONDS)

    def _info(self, name: str) -> Any:
        try:
            return self._client.get_job_info(name)
        except AuthenticationError as error:
            raise EnvironmentProblem(self._refused()) from error
        except RuntimeError as error:
            known = ", ".join(self.names()[-5:]) or "none"
            raise UserError(f"no job {name!r} on this cluster; the newest: {known}") from error

    def _call(self, method: Callable[[], Any]) -> Any:
        try:
            return method()
        except AuthenticationError as error:
            raise EnvironmentProblem(self._refused()) from error
        except (ConnectionError, requests.RequestException) as error:
            raise EnvironmentProblem(f"no Ray dashboard answers at {self.address}: {_first_line(error)}") from error
        except RuntimeError as error:
            raise EnvironmentProblem(f"the cluster at {self.address} refused: {_first_line(error)}") from error

    def _refused(self) -> str:
        where = ssh.token_path()
        what = (
            f"the token in {where} is not its token" if self._has_token else f"it asks for a token; put it in {where}"
        )
        return f"the cluster at {self.address} requires its token: {what}"


class _Reader:
    """Passes on what is new in a job's log, which every connection sends from its beginning."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._passed_on = 0

    async def read(self, client: JobSubmissionClient, name: str) -> None:
        seen = 0
        async for text in client.tail_job_logs(name):
            seen += len(text)
            if seen > self._passed_on:
                self._write(text[-(seen - self._passed_on) :])
                self._passed_on = seen


def _ended(info: Any) -> Ended:
    results = (info.metadata or {}).get("results")
    code = info.driver_exit_code
    if info.status == JobStatus.STOPPED:
        return Ended(EXIT_STOPPED, "the job was stopped", results)
    if code is None:
        raise EnvironmentProblem(f"the job could not run: {info.message}")
    return Ended(code if code >= 0 else 128 - code, info.message or "", results)


def _probe(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--address must be the dashboard's, http://HOST:PORT, got {address!r}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise EnvironmentProblem(f"no Ray dashboard answers at {address}: {error.strerror or error}") from error


def _lost(address: str, name: str, error: Exception) -> str:
    silence = f"the cluster at {address} has not responded for {PATIENCE_SECONDS:g} s"
    return f"{silence} ({_first_line(error)}); job {name} may still be running"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
