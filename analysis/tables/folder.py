"""Where result files lie: a local directory or a URI that pyarrow serves (s3://, gs://), read and written alike."""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from pyarrow import fs

TEMPORARY = ".partial-"
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


class LinkedOutside(ValueError):
    """A link stands where a directory of ours would be, and leads out of what we may write to."""


@dataclass(frozen=True)
class Place:
    """A file or directory at `path` of `filesystem`; `label` is how messages name it.

    `top` is the directory that nothing is written outside of, through whatever link (default: the first `Place`).
    """

    filesystem: fs.FileSystem
    path: str
    label: str
    top: str | None = None

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
        path, label = posixpath.join(self.path, name), posixpath.join(self.label, name)
        return replace(self, path=path, label=label, top=self.top or self.path)

    def named_by_us(self) -> Place:
        """The same directory where no user chose its name: a link of that name must stay in the directory above."""
        return replace(self, top=posixpath.dirname(self.path))

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
        """Write the file, its directories included; a link of its name is replaced, and what it points to stays.

        Raises LinkedOutside.
        """
        self.refuse_links_out()
        if self.is_local:
            _put_in_place(Path(self.path), data)
            return
        self.filesystem.create_dir(posixpath.dirname(self.path), recursive=True)
        with self.filesystem.open_output_stream(self.path, compression=None) as stream:
            stream.write(data)

    def refuse_links_out(self) -> None:
        """Raise LinkedOutside where a directory on the way here is a link out of `top`; `top` itself may be one."""
        top = self.top or self.path
        for directory in reversed(Path(self.path).parents) if self.is_local else ():
            if directory.is_relative_to(top) and not _is_inside(directory, top):
                raise LinkedOutside(
                    f"{directory} is a link that leads out of {top}, and nothing is written through it: remove it, or "
                    "choose another --out"
                )

    def names(self) -> list[str]:
        """Names of the files directly in this directory, sorted; empty where there is none."""
        found = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == fs.FileType.File)

    def files(self) -> list[str]:
        """Names of all files below this directory, relative and sorted; empty where there is no directory."""
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=True)
        found = [info.path for info in self.filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted(posixpath.relpath(path, self.path) for path in found)

    def remove(self) -> None:
        """Delete the file here; of a link, the link. Raises LinkedOutside."""
        self.refuse_links_out()
        self.filesystem.delete_file(self.path)

    @property
    def is_local(self) -> bool:
        """Whether this is in the machine's own file tree."""
        return isinstance(self.filesystem, fs.LocalFileSystem)


def _is_inside(directory: Path, top: str) -> bool:
    return Path(os.path.realpath(directory)).is_relative_to(os.path.realpath(top))


def _put_in_place(target: Path, data: bytes) -> None:
    """Write beside the target and rename: whoever reads it sees the old bytes or the new ones, whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
