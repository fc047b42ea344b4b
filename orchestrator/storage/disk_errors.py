"""What a full, read-only or forbidden disk means to the user: which path, that nothing is lost, what to do next."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from analysis.tables.folder import Folder
from orchestrator.errors import EnvironmentProblem, UserError

QUARANTINE = "quarantine"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR})


class StorageFull(EnvironmentProblem):
    """There is no space left where the results go."""


class StorageUnwritable(EnvironmentProblem):
    """The results cannot be written where they should go."""


@contextlib.contextmanager
def explained(location: str) -> Iterator[None]:
    """Turn the OSError of a full or forbidden disk into StorageFull or StorageUnwritable, of a link into UserError.

    Others pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(
                f"no space left for {location}; committed records are safe: free some space, or move the whole "
                "directory to a larger disk, and run the same command again"
            ) from error
        if error.errno in FORBIDDEN:
            reason = os.strerror(error.errno or 0)
            raise StorageUnwritable(f"{location} cannot be written ({reason}); choose another --out") from error
        if error.errno == errno.ELOOP:
            place = error.filename or location
            raise UserError(f"{place} is a link, and nothing is written through it; remove it") from error
        raise


def move_aside(root: Folder, name: str, under: str) -> str:
    """Move `name` to `<under>/<its last part>-<n>` with the first free n; returns the new name."""
    target = free_name(root, under, name.rpartition("/")[2])
    root.move(name, f"{under}/{target}")
    return f"{under}/{target}"


def free_name(root: Folder, under: str, stem: str) -> str:
    """`<stem>-<n>` with the smallest n from 1 that nothing in the folder `under` has yet."""
    taken = set(root.child(under).names(f"{stem}-"))
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
