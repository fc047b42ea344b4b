"""Where result files lie: a local directory or a URI that pyarrow serves (s3://, gs://), read and written alike."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Place:
    """A file or directory at `path` of `filesystem`; `label` is how messages name it."""

    filesystem: fs.FileSystem
    path: str
    label: str

    @classmethod
    def at(cls, location: str | Path) -> Place:
        """Open a local path or a URI. Creates nothing; ValueError or OSError for a URI that no file system serves."""
        text = str(location)
        if not _SCHEME.match(text):
            return cls(fs.LocalFileSystem(), Path(text).expanduser().absolute().as_posix(), text)
        filesystem, path = fs.FileSystem.from_uri(text)
        return cls(filesystem, path.rstrip("/"), text.rstrip("/"))

    def child(self, name: str) -> Place:
        """The file or directory `name` below this one; `name` uses `/`."""
        return Place(self.filesystem, posixpath.join(self.path, name), posixpath.join(self.label, name))

    def is_directory(self) -> bool:
        """Whether there is a directory here."""
        return bool(self.filesystem.get_file_info(self.path).type == fs.FileType.Directory)

    def is_file(self) -> bool:
        """Whether there is a file here."""
        return bool(self.filesystem.get_file_info(self.path).type == fs.FileType.File)

    def read(self) -> bytes:
        """The file's bytes; OSError where there is none."""
        with self.filesystem.open_input_stream(self.path, compression=None) as stream:
            return bytes(stream.read())

    def write(self, data: bytes) -> None:
        """Write the file, its directories included."""
        self.filesystem.create_dir(posixpath.dirname(self.path), recursive=True)
        with self.filesystem.open_output_stream(self.path, compression=None) as stream:
            stream.write(data)

    def files(self) -> list[str]:
        """Names of all files below this directory, relative and sorted; empty where there is no directory."""
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=True)
        found = [info.path for info in self.filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted(posixpath.relpath(path, self.path) for path in found)

    def remove(self) -> None:
        """Delete the file here."""
        self.filesystem.delete_file(self.path)
