"""Fetches a data file from an address (https://, s3://, gs:// ...) into the user's cache, through fsspec.

A copy is used again as long as the server says that the file is the same one.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from trainables.data.dataset import DataError
from trainables.system.disk_cache import cache_folder, node_lock, text_sha256

logger = logging.getLogger(__name__)

MAX_DOWNLOAD_BYTES = 2 * 2**30
_CHUNK_BYTES = 2**20
_UNCHECKED_SECONDS = 600.0  # how long a copy is used if the server does not say whether the file has changed
_STAMPS = ("ETag", "etag", "Last-Modified", "LastModified", "Content-MD5", "md5Hash", "mtime", "created", "generation")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs"}
_TIMEOUTS = {"sock_connect": 15, "sock_read": 60}
_PAGE = (b"<!doctype html", b"<html")


def is_remote(path: str) -> bool:
    """Return whether this is an address that must be fetched, not a path."""
    return "://" in path and not path.startswith("file://")


def shown(address: str) -> str:
    """Return an address without its user, password and query, none of which may be shown."""
    protocol, _, rest = address.partition("://")
    host, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return f"{protocol}://{host.rpartition('@')[2]}{slash}{path}"


def local_copy(address: str, *, offline: bool = False) -> Path:
    """Return a local copy of the file at an address. Raises DataError that says how to do without.

    A copy that exists serves if the file cannot be asked for (`offline`, or no connection): whoever reads it compares
    fingerprints. A web page in place of a file is refused.
    """
    folder = cache_folder() / "downloads" / text_sha256(address)[:32]
    target = folder / (PurePosixPath(shown(address)).name or "file")
    with node_lock(folder.with_suffix(".lock")):
        if offline and target.is_file():
            return target
        files, path = _file_system(address)
        try:
            information = _information(address, files, path)
        except _Unreachable as error:
            if not target.is_file():
                raise
            logger.warning("%s; the copy of an earlier run is used", error)
            return target
        stamp = _stamp(information)
        if not _is_current(target, stamp):
            folder.mkdir(parents=True, exist_ok=True)
            _download(address, files, path, target)
            _stamp_file(target).write_text(_text(stamp), encoding="utf-8")
    return target


def _file_system(address: str) -> tuple[Any, str]:
    import fsspec

    protocol = address.partition("://")[0]
    options: dict[str, Any] = {}
    try:
        if protocol in ("http", "https"):
            import aiohttp

            options["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(total=None, **_TIMEOUTS)}
        files, path = fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        needed = f"needs the package {package} (pip install {package})" if package else f"cannot be used: {error}"
        raise DataError(f"{shown(address)}: {protocol}:// {needed}; {_REMEDY}") from error
    except ValueError as error:
        raise DataError(f"{shown(address)}: {protocol}:// is no known protocol: {error}; {_REMEDY}") from error
    return files, str(path)


_REMEDY = "or download the file and give its path"


class _Unreachable(DataError):
    """The server gave no answer, so that an earlier copy may still be the right one."""


def _information(address: str, files: Any, path: str) -> dict[str, Any]:
    """Ask for the file's size and time. Raises _Unreachable, or another DataError if the server refuses the file."""
    try:
        information: dict[str, Any] = files.info(path)
    except Exception as error:  # every protocol has errors of its own
        reason = error.__cause__ or error
        status = getattr(reason, "status", None)
        refused = status is not None or (isinstance(error, FileNotFoundError) and error.__cause__ is None)
        detail = f"the server answers {status}" if status is not None else type(reason).__name__
        kind = DataError if refused else _Unreachable
        raise kind(f"{shown(address)}: cannot be fetched ({detail}); check the address, {_REMEDY}") from error
    _require_file(address, information)
    return information


def _require_file(address: str, information: Any) -> None:
    if information.get("type") == "directory":
        raise DataError(f"{shown(address)}: is a folder; give the addresses of its files as a list")
    size = information.get("size")
    if size is not None and size > MAX_DOWNLOAD_BYTES:
        raise _too_large(address)


def _too_large(address: str) -> DataError:
    limit = f"{MAX_DOWNLOAD_BYTES / 2**30:g} GiB"
    return DataError(f"{shown(address)}: larger than {limit}, too large to be fetched for a run; {_REMEDY[3:]}")


def _stamp(information: Any) -> dict[str, str] | None:
    """Return what tells this content from other content at the same address; None if the server says nothing."""
    stamp = {name: str(information[name]) for name in _STAMPS if information.get(name) is not None}
    return {**stamp, "size": str(information.get("size"))} if stamp else None


def _text(stamp: dict[str, str] | None) -> str:
    return json.dumps(stamp, sort_keys=True)


def _stamp_file(target: Path) -> Path:
    return target.with_name(f".{target.name}.stamp")


def _is_current(target: Path, stamp: dict[str, str] | None) -> bool:
    if not target.is_file() or not _stamp_file(target).is_file():
        return False
    if stamp is None:
        return time.time() - target.stat().st_mtime < _UNCHECKED_SECONDS
    return _stamp_file(target).read_text(encoding="utf-8") == _text(stamp)


def _download(address: str, files: Any, path: str, target: Path) -> None:
    """Write the file beside its place and move it there once it is whole."""
    partial = target.with_name(f".{target.name}.part")
    _stamp_file(target).unlink(missing_ok=True)
    try:
        with partial.open("wb") as out:
            for chunk in _chunks(address, files, path):
                out.write(chunk)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _chunks(address: str, files: Any, path: str) -> Iterator[bytes]:
    streamed = {"block_size": 0} if address.startswith("http") else {}
    read = 0
    try:
        with files.open(path, "rb", **streamed) as source:
            while chunk := source.read(_CHUNK_BYTES):
                if not read and chunk[:64].lstrip().lower().startswith(_PAGE):
                    raise DataError(
                        f"{shown(address)}: is a web page, not a file; give the address of the raw file, {_REMEDY}"
                    )
                read += len(chunk)
                if read > MAX_DOWNLOAD_BYTES:
                    raise _too_large(address)
                yield chunk
    except DataError:
        raise
    except Exception as error:  # every protocol has errors of its own
        broken = f"the connection broke after {read:,} bytes ({type(error).__name__})"
        raise DataError(f"{shown(address)}: {broken}; try again, {_REMEDY}") from error
