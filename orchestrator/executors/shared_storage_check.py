"""Checks before the first run that each worker sees the driver's results directory and the data."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.tables.folder import Folder
from trainables.config import DataConfig
from trainables.data.dataset import DataError
from trainables.data.load import locate
from trainables.data.sources.parts import SourceFiles

FOLDER = ".preflight"


@dataclass(frozen=True)
class SharedStorageCheck:
    """The driver writes a token, each worker reads it and writes a reply, and the driver looks for the replies.

    `out` is an absolute path, or a URI with its credentials; `token` is both name and content of the driver's file.
    `data` is what the runs read.
    """

    out: str
    token: str
    data: tuple[DataConfig, ...] = ()


def write_token(storage_check: SharedStorageCheck) -> None:
    """On the driver: write the token for the workers. Raises OSError."""
    Folder.at(storage_check.out).child(FOLDER).write(storage_check.token, storage_check.token.encode())


def close(storage_check: SharedStorageCheck) -> None:
    """On the driver: delete the token and all replies."""
    Folder.at(storage_check.out).delete(FOLDER)


def reply_name(lane: int, rank: int) -> str:
    """Return the name of one worker's reply."""
    return f"lane{lane}-rank{rank}"


def check(storage_check: SharedStorageCheck, reply: str) -> str | None:
    """On a worker: read the token, write the reply, open the data. Returns what is wrong, or None."""
    folder = Folder.at(storage_check.out).child(FOLDER)
    try:
        if folder.read(storage_check.token) != storage_check.token.encode():
            return f"{folder.uri} is not the same folder here as on the driver"
        folder.write(f"{storage_check.token}-{reply}", reply.encode())
    except OSError as error:
        uri = Folder.at(storage_check.out).uri
        return f"{uri} is not the driver's: {error}; results must be on a shared file system or a URI"
    return next((problem for problem in map(_unreadable, storage_check.data) if problem is not None), None)


def has_reply(storage_check: SharedStorageCheck, reply: str) -> bool:
    """On the driver: return whether a worker's reply arrived."""
    return Folder.at(storage_check.out).child(FOLDER).exists(f"{storage_check.token}-{reply}")


def _unreadable(data: DataConfig) -> str | None:
    try:
        source = locate(data)
        if isinstance(source, str):
            return None
        if isinstance(source, SourceFiles):
            files = [file.path for file in source.files]
        else:
            files = sorted(file for file in source.rglob("*") if file.is_file())[:1] if source.is_dir() else [source]
        for file in files:
            with file.open("rb") as stream:
                stream.read(1)
    except (OSError, DataError) as error:
        return f"the data cannot be opened: {error}"
    return None
