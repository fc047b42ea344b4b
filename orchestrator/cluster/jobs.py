"""Jobs on a running cluster: sends one, follows it however often the connection breaks, stops it, says how it ended."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from orchestrator.cluster import token_file
from orchestrator.cluster.submission import Submission
from orchestrator.errors import EnvironmentProblem, UserError

ANSWER_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
EXIT_STOPPED = 143
_LOST = (ConnectionError, RuntimeError, aiohttp.ClientError, requests.RequestException)


@dataclass(frozen=True)
class Ended:
    """How a job ended. `exit_code` is the command's own; `message` says why where there is none."""

    exit_code: int
    message: str
    results: str | None


class Jobs:
    """The jobs of the cluster whose dashboard answers at an address (http://host:port)."""

    def __init__(self, address: str) -> None:
        """Raises EnvironmentProblem where nothing answers or the token is refused, UserError for no address at all."""
        self.address = address.rstrip("/")
        _probe(self.address)
        token = token_file.token()
        self._has_token = token is not None
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client: JobSubmissionClient = self._asked(lambda: JobSubmissionClient(self.address, headers=headers))

    def send(self, submission: Submission) -> str:
        """Send a job; returns its name. Raises EnvironmentProblem."""
        metadata = {"results": submission.results, "command": submission.entrypoint}
        return str(
            self._asked(
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
        self._asked(lambda: self._client.stop_job(name))

    def names(self) -> list[str]:
        """The jobs that were sent, the newest last."""
        found = self._asked(self._client.list_jobs)
        sent = sorted((job.start_time or 0, job.submission_id) for job in found if job.submission_id)
        return [name for _, name in sent]

    def results(self, name: str) -> str | None:
        """Where a job leaves its results. Raises UserError for a job that the cluster does not know."""
        return (self._info(name).metadata or {}).get("results")

    def follow(self, name: str, write: Callable[[str], None]) -> Ended:
        """Pass on what the job writes until it ended; what was passed on once is not repeated after a break."""
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

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except AuthenticationError as error:
            raise EnvironmentProblem(self._refused()) from error
        except (ConnectionError, requests.RequestException) as error:
            raise EnvironmentProblem(f"no Ray dashboard answers at {self.address}: {_first(error)}") from error
        except RuntimeError as error:
            raise EnvironmentProblem(f"the cluster at {self.address} refuses: {_first(error)}") from error

    def _refused(self) -> str:
        where = token_file.path()
        what = (
            f"the token in {where} is not its token" if self._has_token else f"it asks for a token; put it in {where}"
        )
        return f"the cluster at {self.address} lets nobody in without its token: {what}"


class _Reader:
    """Reads a job's log, which every connection sends from its beginning, and passes on what is new."""

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
        socket.create_connection((parts.hostname, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise EnvironmentProblem(f"no Ray dashboard answers at {address}: {error.strerror or error}") from error


def _lost(address: str, name: str, error: Exception) -> str:
    return (
        f"the cluster at {address} has not answered for {PATIENCE_SECONDS:g} s ({_first(error)}); job {name} may go on"
    )


def _first(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
