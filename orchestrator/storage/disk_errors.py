"""Explains a full, read-only or forbidden disk to the user: which path, that nothing is lost, and what to do next."""

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
    """There is no space left for the results."""


class StorageUnwritable(EnvironmentProblem):
    """The results cannot be written to their directory."""


@contextlib.contextmanager
def explained(location: str) -> Iterator[None]:
    """Turn the OSError of a full or forbidden disk into StorageFull or StorageUnwritable, and of a link into UserError.

    Other errors pass unchanged.
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
            path = error.filename or location
            raise UserError(f"{path} is a link, and nothing is written through it; remove it") from error
        raise


def move_aside(root: Folder, name: str, under: str) -> str:
    """Move `name` to `<under>/<its last part>-<n>` with the first free n; return the new name."""
    target = free_name(root, under, name.rpartition("/")[2])
    root.move(name, f"{under}/{target}")
    return f"{under}/{target}"


def free_name(root: Folder, under: str, stem: str) -> str:
    """Return `<stem>-<n>` with the smallest n >= 1 that is free in the folder `under`."""
    taken = set(root.child(under).names(f"{stem}-"))
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
