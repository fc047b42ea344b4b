"""Reads and writes whole files under one directory, local or in an object store: a kill never leaves half a file.

Bytes are built in memory. Locally they go to a temporary file next to the target, which is fsynced and renamed, and the
directory is fsynced; elsewhere they are uploaded with one put. Names are relative, use `/`, and may not leave the
folder: a link that leads out is never followed. Imports nothing of `analysis` but `durable_files`, as `trainables` uses
this file, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from pyarrow import fs

from analysis.tables import durable_files
from analysis.tables.durable_files import TEMPORARY

SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+._-]+)://")
PYARROW_SCHEMES = frozenset({"file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "hf", "mock"})
OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
SCRATCH = f"{TEMPORARY}scratch-"
CHUNK_BYTES = 1 << 22


class OutsideFolder(ValueError):
    """A name would leave its folder."""


class LinkedOutside(OutsideFolder):
    """A link in the folder leads out of it: nothing is read or written through it."""


@dataclass(frozen=True)
class Folder:
    """A directory of `filesystem`. Picklable, so that a worker on another node can write to the same folder.

    Links may not lead out of `top` (default: the folder itself). `scheme` and `written`, a local path as the user wrote
    it, are kept for messages; `opened` is the URI that opened it, which may hold credentials. `private`: new files are
    for their owner only; otherwise they follow the user's umask.
    """

    filesystem: fs.FileSystem
    path: str
    scheme: str = ""
    top: str | None = None
    written: str = ""
    opened: str = field(default="", repr=False)
    private: bool = True

    @classmethod
    def at(cls, location: str | Path, *, private: bool = True) -> Folder:
        """Open a local path, a `file://` URI or any URI that pyarrow or an installed fsspec package knows.

        Nothing is created. Raises ValueError, ImportError or OSError for a URI without a file system.
        """
        text = str(location)
        match = SCHEME.match(text)
        if match is None:
            path = str(Path(text).expanduser().absolute())
            return cls(fs.LocalFileSystem(), path, written=text, private=private)
        known = match[1] in PYARROW_SCHEMES or match[1].startswith("fsspec+")
        filesystem, path = fs.FileSystem.from_uri(text if known else f"fsspec+{text}")
        return cls(filesystem, path.rstrip("/") or "/", scheme=match[1], opened=text, private=private)

    @property
    def is_local(self) -> bool:
        """Whether this is a directory in this machine's file tree (including shared mounts)."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def uri(self) -> str:
        """The location to show to users: an absolute path, or a URI without credentials and options."""
        return self.path if self.is_local else f"{self.scheme or self.filesystem.type_name}://{self.path}"

    @property
    def address(self) -> str:
        """What `at` opens elsewhere, including the credentials and options of a URI: never to be shown."""
        return self.path if self.is_local else self.opened or self.uri

    def label(self, name: str | None = None) -> str:
        """Return how messages name the folder, or a file in it: a local path as the user wrote it, else `uri`."""
        here = self.written or self.uri
        if name is None:
            return here
        return name if here == "." else f"{here.rstrip('/')}/{name}"

    @property
    def local_path(self) -> Path:
        """The directory as a path. Raises ValueError if the folder is not local."""
        if not self.is_local:
            raise ValueError(f"{self.uri} is not a local directory")
        return Path(self.path)

    def child(self, name: str) -> Folder:
        """Return the folder `name` inside this one; nothing is created."""
        written = self.label(name) if self.written else ""
        opened, options, given = self.opened.partition("?")
        opened = f"{opened.rstrip('/')}/{name}{options}{given}" if opened else ""
        return replace(self, path=self._target(name), top=self.top or self.path, written=written, opened=opened)

    def content(self) -> bytes:
        """Return the bytes of the location itself, if it is a file and not a folder. Raises OSError."""
        with self.filesystem.open_input_file(self.path) as stream:
            return bytes(stream.read())

    def read(self, name: str) -> bytes:
        """Return the bytes of a file. Raises FileNotFoundError."""
        with self.open(name) as stream:
            return stream.read()

    def open(self, name: str) -> BinaryIO:
        """Open a seekable stream over a file that is too large for memory. Raises FileNotFoundError."""
        target = self._target(name)
        return Path(target).open("rb") if self.is_local else self.filesystem.open_input_file(target)

    def sha256(self, name: str) -> str:
        """Return the hex digest of a file, read in chunks. Raises FileNotFoundError."""
        digest = hashlib.sha256()
        with self.open(name) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def write(self, name: str, data: bytes) -> None:
        """Replace whatever `name` held by `data`: at any time it holds the old bytes or the new ones, whole.

        A link of that name is replaced; what it points to stays.
        """
        target = self._entry(name)
        if self.is_local:
            durable_files.replace(Path(target), data, self.private)
        else:
            self._put(target, io.BytesIO(data), len(data))

    def create(self, name: str, data: bytes) -> bool:
        """Write `name` unless it exists; return False, without any change, if it does.

        Atomic locally. pyarrow has no conditional put, so in an object store two writers at the same instant can both
        get True, and the later put stays.
        """
        target = self._target(name)
        if self.exists(name):
            return False
        if self.is_local:
            return durable_files.create(Path(target), data)
        self._put(target, io.BytesIO(data), len(data))
        return True

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a log: locally with one write, elsewhere by uploading the whole file again."""
        target = self._target(name)
        if self.is_local:
            durable_files.append(Path(target), data)
        else:
            self.write(name, (self.read(name) if self.exists(name) else b"") + data)

    def exists(self, name: str) -> bool:
        """Return whether a file or folder of that name exists."""
        target = self._target(name)
        return Path(target).exists() if self.is_local else self._kind(target) != fs.FileType.NotFound

    def is_file(self, name: str | None = None) -> bool:
        """Return whether a file of that name exists; without a name, whether the location itself is a file."""
        return bool(self._kind(self.path if name is None else self._target(name)) == fs.FileType.File)

    def is_directory(self, name: str | None = None) -> bool:
        """Return whether a folder of that name exists; without a name, whether this one does."""
        return bool(self._kind(self.path if name is None else self._target(name)) == fs.FileType.Directory)

    def names(self, prefix: str = "") -> list[str]:
        """List the files and folders directly in here that start with `prefix`, sorted; empty if there is no folder."""
        if self.is_local:
            entries = [entry.name for entry in Path(self.path).iterdir()] if Path(self.path).is_dir() else []
        else:
            entries = [info.base_name for info in self._infos(recursive=False)]
        return sorted(name for name in entries if name.startswith(prefix) and not name.startswith(TEMPORARY))

    def file_names(self) -> list[str]:
        """List the files directly in here, sorted; empty if there is no folder."""
        names = [info.base_name for info in self._infos(recursive=False) if info.type == fs.FileType.File]
        return sorted(name for name in names if not name.startswith(TEMPORARY))

    def files(self) -> list[str]:
        """List every file below here by relative name, sorted, in one request; empty if there is no folder."""
        infos = self._infos(recursive=True)
        names = [info.path.removeprefix(self.path).lstrip("/") for info in infos if info.type == fs.FileType.File]
        return sorted(name for name in names if not name.rpartition("/")[2].startswith(TEMPORARY))

    def refuse_link_out(self, name: str) -> None:
        """Raise LinkedOutside if `write` and `delete` would, before anything is done."""
        self._entry(name)

    def delete(self, name: str) -> None:
        """Remove a file, a folder with all its contents, or a link itself. A missing name is not an error."""
        target = self._entry(name)
        if self.is_local and Path(target).is_symlink():
            Path(target).unlink()
            return
        kind = self._kind(target)
        if kind == fs.FileType.Directory:
            self.filesystem.delete_dir(target)
        elif kind != fs.FileType.NotFound:
            self.filesystem.delete_file(target)

    def move(self, name: str, to: str) -> None:
        """Rename a file or folder inside this one: atomic locally; elsewhere file by file, in the order of `files`."""
        source, target = self._target(name), self._target(to)
        if self.is_local:
            durable_files.move(Path(source), Path(target))
            return
        is_file = self._kind(source) == fs.FileType.File
        for part in [""] if is_file else [f"/{file}" for file in self.child(name).files()]:
            self._make_parent(target + part)
            self.filesystem.copy_file(source + part, target + part)
            self.filesystem.delete_file(source + part)
        self.delete(name)

    def scratch(self) -> Path:
        """Return a new local path for a file too large for memory; pass it to `adopt` later, or unlink it."""
        if not self.is_local:
            return Path(tempfile.gettempdir()) / f"{SCRATCH}{secrets.token_hex(16)}"
        durable_files.make_directory(Path(self.path))
        return Path(self.path) / f"{SCRATCH}{secrets.token_hex(8)}"

    def discard_scratches(self) -> None:
        """Remove scratch files left by killed processes; no process may be using one."""
        for left in Path(self.path).glob(f"{SCRATCH}*") if self.is_local else ():
            left.unlink(missing_ok=True)

    def adopt(self, scratch: Path, name: str) -> None:
        """Turn the file at `scratch` into `name`, as durably and atomically as `write`."""
        target = self._target(name)
        if self.is_local:
            scratch.chmod(0o600)
            durable_files.flush(scratch)
            durable_files.move(scratch, Path(target))
            return
        with scratch.open("rb") as source:
            self._put(target, source, scratch.stat().st_size)
        scratch.unlink()

    def _target(self, name: str) -> str:
        """Return the path that `name` leads to. Raises OutsideFolder, also if a link leads out."""
        target = self._joined(name)
        self._refuse_link_out(target, target)
        return target

    def _entry(self, name: str) -> str:
        """Return the path of the name itself, which may be a link. Raises OutsideFolder if a link to it leads out."""
        target = self._joined(name)
        self._refuse_link_out(target.rpartition("/")[0] or "/", target)
        return target

    def _joined(self, name: str) -> str:
        if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise OutsideFolder(f"{name!r} is not a name inside {self.uri}")
        return f"{self.path.rstrip('/')}/{name}"

    def _refuse_link_out(self, path: str, target: str) -> None:
        top = self.top or self.path
        if self.is_local and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top)):
            raise LinkedOutside(
                f"{target} leads out of {top} through a link, which is not followed: remove the link, or put what it "
                "points to in its place"
            )

    def _kind(self, target: str) -> fs.FileType:
        return self.filesystem.get_file_info(target).type

    def _infos(self, recursive: bool) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=recursive)
        return list(self.filesystem.get_file_info(selector))

    def _make_parent(self, target: str) -> None:
        if self.filesystem.type_name not in OBJECT_STORES:
            self.filesystem.create_dir(target.rpartition("/")[0], recursive=True)

    def _put(self, target: str, source: BinaryIO, size: int) -> None:
        """Upload with one put. A stream that fails half-way may still publish a part, which is withdrawn."""
        self._make_parent(target)
        stream = self.filesystem.open_output_stream(target)
        try:
            while chunk := source.read(CHUNK_BYTES):
                stream.write(chunk)
            stream.close()
        except BaseException as error:
            try:
                self._withdraw(target, stream, source, size)
            except OSError as second:
                error.add_note(f"and {target} may hold a part of {size} bytes: {second}")
            raise

    def _withdraw(self, target: str, stream: BinaryIO, source: BinaryIO, size: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            stream.close()
        if self._kind(target) != fs.FileType.File:
            return
        with self.filesystem.open_input_stream(target) as published:
            held = published.read()
        source.seek(0)
        if len(held) < size and source.read(len(held)) == held:
            self.filesystem.delete_file(target)
