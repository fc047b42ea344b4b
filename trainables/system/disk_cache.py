"""Keeps the user's cache on disk: slow shared work is done once while the other processes of a node wait for it.

It remembers the SHA-256 of files by path, size and modification time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_SETTLED_SECONDS = 2.0  # a file changed more recently could change again within one tick of the file system's clock


def cache_folder() -> Path:
    """Return the user's cache of this product: `$XDG_CACHE_HOME/orchestrator`, else `~/.cache/orchestrator`."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "orchestrator"


@contextlib.contextmanager
def node_lock(path: Path) -> Iterator[None]:
    """Hold the lock of this file; it is released when the process ends. Raises OSError if it cannot be created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def file_sha256(path: Path, cache: Path | None = None) -> str:
    """Return the SHA-256 (hex) of a file's bytes, from the cache if path, size and time have not changed."""
    path = path.resolve()
    index = (cache or cache_folder()) / "fingerprints.json"
    status = path.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    known = _load(index).get(str(path))
    if isinstance(known, list) and known[:2] == stamp and isinstance(known[-1], str):
        return known[-1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time() - status.st_mtime > _SETTLED_SECONDS:
        _remember(index, str(path), [*stamp, digest])
    return digest


def files_sha256(paths: Iterable[Path], root: Path, cache: Path | None = None) -> str:
    """Return one SHA-256 (hex) of several files' names (relative to `root`) and contents, whatever their order."""
    lines = sorted(f"{path.relative_to(root).as_posix()} {file_sha256(path, cache)}" for path in paths)
    return text_sha256("\n".join(lines))


def text_sha256(text: str) -> str:
    """Return the SHA-256 (hex) of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def _load(index: Path) -> dict[str, Any]:
    """Read the index; a cache that is missing or damaged counts as empty."""
    try:
        known = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(index: Path, key: str, value: list[Any]) -> None:
    """Add one entry. An unwritable cache only costs time; if two processes write, the last one wins."""
    known = {**_load(index), key: value}
    with contextlib.suppress(OSError):
        index.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=index.parent, delete=False, encoding="utf-8") as file:
            json.dump(known, file)
        Path(file.name).replace(index)
