"""Proves before the first run that a lane sees the driver's results directory and the data: one token each way."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.tables.folder import Folder
from trainables.config import DataConfig
from trainables.data.dataset import DataError
from trainables.data.load import locate

FOLDER = ".preflight"


@dataclass(frozen=True)
class SharedStorageCheck:
    """`out` is an absolute path or a URI with its credentials; `token` names the driver's file and is its content.

    `data` is what the runs read.
    """

    out: str
    token: str
    data: tuple[DataConfig, ...] = ()


def open_for_lanes(preflight: SharedStorageCheck) -> None:
    """On the driver: leave the token where the lanes look for it. Raises OSError."""
    Folder.at(preflight.out).child(FOLDER).write(preflight.token, preflight.token.encode())


def close(preflight: SharedStorageCheck) -> None:
    """On the driver: take all tokens away."""
    Folder.at(preflight.out).delete(FOLDER)


def answer_of(lane: int, rank: int) -> str:
    """What one worker answers."""
    return f"lane{lane}-rank{rank}"


def check(preflight: SharedStorageCheck, answer: str) -> str | None:
    """On a worker: read the token, answer it, open the data. Returns what is wrong, or None."""
    folder = Folder.at(preflight.out).child(FOLDER)
    try:
        if folder.read(preflight.token) != preflight.token.encode():
            return f"{folder.uri} holds something else here than on the driver"
        folder.write(f"{preflight.token}-{answer}", answer.encode())
    except OSError as error:
        shown = Folder.at(preflight.out).uri
        return f"{shown} is not the driver's: {error}; results must be on a shared file system or a URI"
    return next((problem for problem in map(_unreadable, preflight.data) if problem is not None), None)


def is_answered(preflight: SharedStorageCheck, answer: str) -> bool:
    """On the driver: whether what a worker wrote arrived."""
    return Folder.at(preflight.out).child(FOLDER).exists(f"{preflight.token}-{answer}")


def _unreadable(data: DataConfig) -> str | None:
    try:
        found = locate(data)
        if isinstance(found, str):
            return None
        files = sorted(file for file in found.rglob("*") if file.is_file()) if found.is_dir() else [found]
        for file in files[:1]:
            with file.open("rb") as stream:
                stream.read(1)
    except (OSError, DataError) as error:
        return f"the data cannot be opened: {error}"
    return None
