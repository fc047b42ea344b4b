"""Keeps a second sweep out of a results directory: a courtesy, because correctness rests on how records are written.

Locally the kernel holds the lock (flock), which ends with its process, however that dies. In an object store it is a
lease whose counter its holder advances; another sweep watches the counter, so that no clocks have to agree.

This uses flock directly and not filelock, which has exclusive locks only: checking whether a sweep is running could
then turn away one that is just starting. On a file system without such locks, filelock raises or leaves a file behind
after a kill; here the lease takes over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from analysis.tables.checksummed_json import dump_checksummed, load_checksummed
from analysis.tables.durable_files import make_directory
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from orchestrator.errors import LockedBySweep
from orchestrator.storage.disk_errors import explained

logger = logging.getLogger(__name__)
LOCK = "sweep.lock"
HEARTBEAT_SECONDS = 5.0
EXPIRY_SECONDS = 20.0
NO_FLOCK = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True)
class Holder:
    """Who has the lock: a process id (of whatever machine), the sweep's owner token, since when (UTC, ISO 8601)."""

    pid: int
    label: str
    owner: str
    started_at: str


class Locked(LockedBySweep):
    """Another sweep has the results directory; `holder` says which, as far as its file could be read."""

    def __init__(self, location: str, holder: Holder | None) -> None:
        self.holder = holder
        who = f"{holder.label} (owner {holder.owner})" if holder else "another sweep"
        super().__init__(f"{location} is in use by {who}; wait for it, stop it, or choose another --out")


@contextlib.contextmanager
def hold(
    root: Folder,
    owner: str,
    *,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    expiry_seconds: float = EXPIRY_SECONDS,
) -> Iterator[Holder]:
    """Hold the lock of a results directory. Raises Locked while another holder is alive.

    The two times are for the lease: that of a dead holder is taken over after `expiry_seconds` of watching.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    holder = Holder(os.getpid(), f"process {os.getpid()}, running since {started}", owner, started)
    with contextlib.ExitStack() as stack:
        if not (root.is_local and _flocked(stack, root, holder)):
            stack.enter_context(_leased(root, holder, heartbeat_seconds, expiry_seconds))
        yield holder


def is_held(root: Folder) -> bool:
    """Return whether the lock is held now. A lease counts as long as it exists, even if its holder has died."""
    if not _content(root):
        return False
    if not root.is_local:
        return True
    with explained(root.uri):
        descriptor = os.open(root.child(LOCK).local_path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return _flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB) is not True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(root: Folder, name: str) -> Iterator[None]:
    """Wait for and hold a lock among local processes, for a short task; no lock if the file system has none."""
    with contextlib.ExitStack() as stack:
        if root.is_local:
            _flock(_opened(stack, root, name), fcntl.LOCK_EX)
        yield


def _flocked(stack: contextlib.ExitStack, root: Folder, holder: Holder) -> bool:
    """Take the kernel's lock until the stack closes; False if the file system has none."""
    descriptor = _opened(stack, root, LOCK)
    taken = _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if taken is None:
        return False
    if not taken:
        raise Locked(root.uri, _holder(root.read(LOCK)))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, dump_checksummed(asdict(holder)), 0)
    stack.callback(os.ftruncate, descriptor, 0)
    return True


def _opened(stack: contextlib.ExitStack, root: Folder, name: str) -> int:
    path = root.child(name).local_path
    with explained(root.uri):
        make_directory(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _flock(descriptor: int, operation: int) -> bool | None:
    """Return whether the lock was taken; None if the file system has no such locks."""
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno in NO_FLOCK:
            return None
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


@contextlib.contextmanager
def _leased(root: Folder, holder: Holder, heartbeat_seconds: float, expiry_seconds: float) -> Iterator[None]:
    _wait_until_free(root, heartbeat_seconds, expiry_seconds)
    root.write(LOCK, _lease(holder, 0))
    now = _content(root)
    if now is None or _holder(now) != holder:
        raise Locked(root.uri, _holder(now or b""))
    done = threading.Event()
    thread = threading.Thread(target=_advance, args=(root, holder, heartbeat_seconds, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        now = _content(root)
        if now and _holder(now) == holder:
            root.delete(LOCK)


def _wait_until_free(root: Folder, heartbeat_seconds: float, expiry_seconds: float) -> None:
    """Wait until there is no lease, or its counter has stood still for the whole time. Raises Locked if it moves."""
    first = _content(root)
    deadline = time.monotonic() + expiry_seconds
    if first:
        logger.info("%s has a lease; watching for up to %.0f s to see if its holder is alive", root.uri, expiry_seconds)
    while first and time.monotonic() < deadline:
        time.sleep(heartbeat_seconds / 2)
        now = _content(root)
        if now and now != first:
            raise Locked(root.uri, _holder(now))
        first = now


def _advance(root: Folder, holder: Holder, heartbeat_seconds: float, done: threading.Event) -> None:
    counter = 0
    while not done.wait(heartbeat_seconds):
        counter += 1
        try:
            now = _content(root)
            if now and _holder(now) != holder:
                logger.warning("the lease on %s was taken over; records stay correct, work may be done twice", root.uri)
                return
            root.write(LOCK, _lease(holder, counter))
        except OSError as error:
            logger.warning("the lease on %s could not be renewed (%s); trying again", root.uri, error)


def _lease(holder: Holder, counter: int) -> bytes:
    return dump_checksummed({**asdict(holder), "counter": counter})


def _content(root: Folder) -> bytes | None:
    try:
        return root.read(LOCK) or None
    except FileNotFoundError:
        return None


def _holder(data: bytes) -> Holder | None:
    """Return who wrote the file; None if it cannot be read (it was being written, or is damaged)."""
    try:
        content: dict[str, Any] = load_checksummed(data, LOCK)
    except Corrupt:
        return None
    content.pop("counter", None)
    return Holder(**content)
