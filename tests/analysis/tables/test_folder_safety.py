"""Folders under hostile names, links, breaking connections and many writers stay whole, inside, and private."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import secrets
import stat
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from fsspec import AbstractFileSystem
from pyarrow import fs

from analysis.tables import durable_files
from analysis.tables.folder import Folder, OutsideFolder

HOSTILE = [
    "with space",
    'it\'s "quoted"',
    "new\nline",
    "ümläut-日本-🙂",
    "-dash",
    "%20",
    "a?b#c",
    "back\\slash",
    "$(touch x)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_odd_names_are_just_names(tmp_path: Path, name: str) -> None:
    folder = Folder.at(tmp_path / name)
    folder.write(f"{name}/{name}", b"content")

    assert folder.files() == [f"{name}/{name}"]
    assert (tmp_path / name / name / name).read_bytes() == b"content"
    assert folder.uri == str(tmp_path / name)


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    folder = Folder.at(tmp_path / "results")
    folder.write("inner/file", b"inside")
    (tmp_path / "results/out").symlink_to(outside)
    (tmp_path / "results/in").symlink_to(tmp_path / "results/inner")

    assert folder.read("in/file") == b"inside"
    for action in (folder.read, folder.delete, folder.exists):
        with pytest.raises(OutsideFolder, match="through a link"):
            action("out/secret")
    with pytest.raises(OutsideFolder, match="through a link"):
        folder.child("out")
    with pytest.raises(OutsideFolder, match="through a link"):
        folder.write("out/new", b"x")
    assert sorted(entry.name for entry in outside.iterdir()) == ["secret"]


def test_a_log_that_is_a_link_is_not_added_to_and_a_file_that_is_one_is_replaced(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write("other", b"other")
    for name in ("log", "file"):
        (tmp_path / name).symlink_to(tmp_path / "other")

    with pytest.raises(OSError, match="symbolic links"):
        folder.append("log", b"x")
    folder.write("file", b"new")

    assert folder.read("other") == b"other"
    assert folder.read("file") == b"new"


def test_of_a_link_that_leads_out_only_the_link_is_replaced_or_deleted(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    folder = Folder.at(tmp_path / "results")
    folder.write("own", b"")
    for name, target in (("file", "outside/secret"), ("gone", "outside/secret"), ("tree", "outside")):
        (tmp_path / "results" / name).symlink_to(tmp_path / target)

    folder.write("file", b"new")
    folder.delete("gone")
    folder.delete("tree")

    assert (folder.files(), folder.read("file")) == (["file", "own"], b"new")
    assert (tmp_path / "outside/secret").read_bytes() == b"secret"


def test_a_link_that_leads_out_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/out").symlink_to(tmp_path)
    with pytest.raises(OutsideFolder) as caught:
        Folder.at(tmp_path / "results").write("out/new", b"x")
    assert str(caught.value).startswith(f"{tmp_path}/results/out/new leads out of {tmp_path}/results through a link")
    assert "remove the link" in str(caught.value)


def test_a_link_out_of_a_childs_folder_but_inside_the_top_is_followed(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write("shared/file", b"content")
    folder.write("child/own", b"")
    (tmp_path / "child/link").symlink_to(tmp_path / "shared")

    assert folder.child("child").read("link/file") == b"content"


def test_the_results_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    Folder.at(tmp_path / "link").write("file", b"x")

    assert (tmp_path / "real/file").read_bytes() == b"x"


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "results")
    folder.write("a/written", b"x")
    folder.create("a/created", b"x")
    folder.append("a/appended", b"x")
    scratch = folder.scratch()
    scratch.write_bytes(b"x")
    folder.adopt(scratch, "a/adopted")

    for name in folder.child("a").names():
        assert stat.S_IMODE((tmp_path / "results/a" / name).stat().st_mode) == 0o600
    for directory in (tmp_path / "results", tmp_path / "results/a"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder.at(tmp_path)
    folder.write("file", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write("file", b"new")

    assert folder.read("file") == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_where_there_are_no_hard_links_create_still_writes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    assert durable_files.create(tmp_path / "file", b"mine") is True
    assert durable_files.create(tmp_path / "file", b"yours") is False
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def _create(directory: str, number: int, winners: multiprocessing.Queue[int]) -> None:
    if Folder.at(directory).create("once", str(number).encode() * 1000):
        winners.put(number)


def test_of_many_processes_that_create_a_file_exactly_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    winners: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_create, args=(str(tmp_path), number, winners)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    winner = winners.get(timeout=10)
    assert winners.empty()
    assert (tmp_path / "once").read_bytes() == str(winner).encode() * 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["once"]


class _BreakingFile(io.RawIOBase):
    """An object that is being put over a connection that breaks; closing publishes what had arrived."""

    def __init__(self, store: AbstractFileSystem, path: str) -> None:
        super().__init__()
        self._store, self._path, self._arrived = store, path, b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._arrived = bytes(data)[: len(data) // 2]
        raise OSError("connection lost")

    def close(self) -> None:
        if not self.closed:
            self._store.pipe_file(self._path, self._arrived)
        super().close()


class _BreakingStore(fs.FSSpecHandler):
    def open_output_stream(self, path: str, metadata: object) -> pa.PythonFile:
        return pa.PythonFile(_BreakingFile(self.fs, path), mode="w")


def test_a_put_that_breaks_off_does_not_leave_half_an_object() -> None:
    memory = fsspec.filesystem("memory")
    folder = Folder(fs.PyFileSystem(_BreakingStore(memory)), f"/{secrets.token_hex(8)}")

    with pytest.raises(OSError, match="connection lost"):
        folder.write("object", b"0123456789")

    assert not folder.exists("object")


def test_a_put_that_breaks_off_leaves_what_another_one_wrote() -> None:
    memory = fsspec.filesystem("memory")
    path = f"/{secrets.token_hex(8)}"
    whole = Folder(fs.PyFileSystem(fs.FSSpecHandler(memory)), path)
    breaking = Folder(fs.PyFileSystem(_SilentStore(memory)), path)
    whole.write("object", b"something else")

    with pytest.raises(OSError, match="connection lost"):
        breaking.write("object", b"0123456789")

    assert whole.read("object") == b"something else"


class _SilentFile(_BreakingFile):
    def close(self) -> None:
        io.RawIOBase.close(self)


class _SilentStore(fs.FSSpecHandler):
    def open_output_stream(self, path: str, metadata: object) -> pa.PythonFile:
        return pa.PythonFile(_SilentFile(self.fs, path), mode="w")
