"""Writes local files that are whole or absent after a kill or a power cut.

Private files, and the directories made for them, are readable only by their owner; others follow the user's umask.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".partial-"
NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def flush(path: Path) -> None:
    """Make the bytes of a file, or the entries of a directory, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, private: bool = True) -> None:
    """Create a directory and its missing parents, each durable."""
    missing = []
    while not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for new in reversed(missing):
        new.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
        flush(new.parent)


def replace(target: Path, data: bytes, private: bool = True) -> None:
    """Replace the file by `data`: a reader sees the old bytes or the new ones, never a mixture."""
    with _written_beside(target, data, private) as temporary:
        temporary.replace(target)
        flush(target.parent)


def create(target: Path, data: bytes) -> bool:
    """Write the file unless it exists; of several writers at once exactly one gets True (where hard links exist)."""
    with _written_beside(target, data) as temporary:
        created = _link(temporary, target)
        flush(target.parent)
    return created


def append(target: Path, data: bytes) -> None:
    """Add `data` to the end of a log with one write, without flushing it. Raises OSError, also for a link."""
    make_directory(target.parent)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        stream.write(data)


def move(source: Path, target: Path) -> None:
    """Rename a file or a directory. Raises OSError if a directory that is not empty has the name."""
    make_directory(target.parent)
    source.rename(target)
    flush(target.parent)
    flush(source.parent)


@contextlib.contextmanager
def _written_beside(target: Path, data: bytes, private: bool = True) -> Iterator[Path]:
    make_directory(target.parent, private)
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, target: Path) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        return _rename_if_absent(temporary, target)
    return True


def _rename_if_absent(temporary: Path, target: Path) -> bool:
    """Rename as safely as a file system without hard links allows: two writers at the same instant could both win."""
    if target.exists():
        return False
    temporary.rename(target)
    return True
