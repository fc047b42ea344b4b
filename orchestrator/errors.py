"""What can go wrong for a user, with its exit code: every message says what, where, and what to do next."""

from __future__ import annotations

import errno
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

_ENVIRONMENT_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})


class UserError(ValueError):
    """A problem that the user can solve; the message stands on its own, without a traceback."""

    exit_code: ClassVar[int] = EXIT_USAGE


class EnvironmentProblem(UserError):
    """The machine or the cluster cannot do what is asked (no space, no permission, cluster lost)."""

    exit_code: ClassVar[int] = EXIT_ENVIRONMENT


class LockedBySweep(UserError):
    """Another sweep works in the same results directory."""

    exit_code: ClassVar[int] = EXIT_LOCKED


class CorruptResults(UserError):
    """A result file does not hold what was written."""

    exit_code: ClassVar[int] = EXIT_CORRUPT


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in an experiment: where (line of the file, or another `source`) and what."""

    key: str
    message: str
    line: int | None = None
    source: str | None = None

    def render(self, source: str) -> str:
        """`file:line: key: message`, without the parts that are not known."""
        where = self.source or (source if self.line is None else f"{source}:{self.line}")
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class InvalidExperiment(UserError):
    """All problems of one experiment at once, in the order of the file."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.key)))
        super().__init__("\n".join(problem.render(source) for problem in self.problems))


def exit_code(error: BaseException) -> int | None:
    """The exit code an error ends with; None for one that no user can solve, which is a bug of ours."""
    if isinstance(error, UserError):
        return error.exit_code
    if isinstance(error, OSError):
        return EXIT_ENVIRONMENT if error.errno in _ENVIRONMENT_ERRNOS else None
    return _foreign_exit_code(error)


def _foreign_exit_code(error: BaseException) -> int | None:
    """Exit codes of the error families that other modules own; imported only once something went wrong."""
    from analysis.registry import UnknownName as UnknownAnalysis
    from analysis.tables.folder import LinkedOutside as LinkedOutsideAnalysis
    from analysis.tables.schema import Corrupt
    from orchestrator.executors import ClusterTooSmall, ExecutorError, RemoteClient
    from trainables.data.dataset import DataError
    from trainables.modeling.hub import ModelError
    from trainables.modeling.saved_model import Damaged, NotSaved
    from trainables.registry import UnknownName
    from trainables.system.folder import LinkedOutside

    if isinstance(error, Corrupt | Damaged):
        return EXIT_CORRUPT
    of_the_user = ClusterTooSmall | RemoteClient | DataError | ModelError | NotSaved | UnknownName | UnknownAnalysis
    if isinstance(error, of_the_user | LinkedOutside | LinkedOutsideAnalysis):
        return EXIT_USAGE
    return EXIT_ENVIRONMENT if isinstance(error, ExecutorError) else None
