"""The errors that a user can solve, with their exit codes; every message says what, where, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_FAILED_RUNS = 3
EXIT_ENVIRONMENT = 4
EXIT_LOCKED = 5
EXIT_CORRUPT = 6
EXIT_INTERRUPTED = 130
KINDS = {
    EXIT_BUG: "bug",
    EXIT_USAGE: "usage",
    EXIT_ENVIRONMENT: "environment",
    EXIT_LOCKED: "locked",
    EXIT_CORRUPT: "corrupt",
    EXIT_INTERRUPTED: "interrupted",
}


class UserError(ValueError):
    """A problem that the user can solve; the message stands on its own, without a traceback."""

    exit_code: ClassVar[int] = EXIT_USAGE


class EnvironmentProblem(UserError):
    """The machine or the cluster cannot do what was asked (no space, no permission, cluster lost)."""

    exit_code: ClassVar[int] = EXIT_ENVIRONMENT


class UnsupportedVersion(EnvironmentProblem):
    """The installed version of a library lacks something we need; the message says which versions have it."""


class LockedBySweep(UserError):
    """Another sweep is using the same results directory."""

    exit_code: ClassVar[int] = EXIT_LOCKED


class CorruptResults(UserError):
    """A result file does not hold what was written."""

    exit_code: ClassVar[int] = EXIT_CORRUPT


class ExecutorError(EnvironmentProblem):
    """Something other than a run went wrong: the message says what and what to do next."""


class ClusterLost(ExecutorError):
    """The cluster was lost; records are safe, and the same command resumes."""


class StorageNotShared(ExecutorError):
    """A lane cannot read or write the results directory, or cannot read the data."""


class ClusterTooSmall(ExecutorError):
    """The requested layout can never fit the cluster."""

    exit_code: ClassVar[int] = EXIT_USAGE


class RemoteClient(ExecutorError):
    """A `ray://` address was given: the driver must run inside the cluster."""

    exit_code: ClassVar[int] = EXIT_USAGE


@dataclass(frozen=True)
class Problem:
    """One error in an experiment: where it is (a line of the file, or another `source`) and what is wrong."""

    key: str
    message: str
    line: int | None = None
    source: str | None = None

    def render(self, source: str) -> str:
        """Return `file:line: key: message`, without the parts that are not known."""
        where = self.source or (source if self.line is None else f"{source}:{self.line}")
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class InvalidExperiment(UserError):
    """All errors of one experiment at once, in the order of the file."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.key)))
        super().__init__("\n".join(problem.render(source) for problem in self.problems))
