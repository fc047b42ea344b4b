"""The exit code that an error ends a command with, also for the errors of `analysis` and `trainables`."""

from __future__ import annotations

import errno

from orchestrator.errors import EXIT_CORRUPT, EXIT_ENVIRONMENT, EXIT_USAGE, UserError

_ENVIRONMENT_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error; None for one that no user can solve, which is a bug of ours."""
    if isinstance(error, UserError):
        return error.exit_code
    if isinstance(error, OSError):
        return EXIT_ENVIRONMENT if error.errno in _ENVIRONMENT_ERRNOS else None
    return _foreign_exit_code(error)


def _foreign_exit_code(error: BaseException) -> int | None:
    """Exit codes of the errors of `analysis` and `trainables`, which are imported only once something went wrong."""
    from analysis.registry import UnknownName
    from analysis.tables.folder import LinkedOutside
    from analysis.tables.schema import Corrupt
    from trainables.data.dataset import DataError
    from trainables.modeling.hub import ModelError
    from trainables.modeling.saved_model import Damaged, NotSaved
    from trainables.system.private_parts import PrivatePartMissing

    if isinstance(error, Corrupt | Damaged):
        return EXIT_CORRUPT
    if isinstance(error, PrivatePartMissing):
        return EXIT_ENVIRONMENT
    of_the_user = DataError | LinkedOutside | ModelError | NotSaved | UnknownName
    return EXIT_USAGE if isinstance(error, of_the_user) else None
