"""Folders keep files whole, inside, and readable by their owner only, on a local disk and elsewhere."""

from __future__ import annotations

import hashlib
import pickle
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import fs

from analysis.tables.folder import Folder, OutsideFolder


@pytest.fixture(params=["local", "memory", "mock", "subtree"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return Folder.at(tmp_path / "results")
    if request.param == "memory":
        return Folder.at(f"memory://{secrets.token_hex(8)}/results")
    if request.param == "mock":
        return Folder.at("mock:///bucket/results")
    return Folder(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "results")


def test_what_is_written_is_read_back_with_its_hash(folder: Folder) -> None:
    folder.write("a/b.bin", b"first")
    folder.write("a/b.bin", b"second")

    assert folder.read("a/b.bin") == b"second"
    assert folder.sha256("a/b.bin") == hashlib.sha256(b"second").hexdigest()
    with folder.open("a/b.bin") as stream:
        stream.seek(3)
        assert stream.read() == b"ond"


def test_create_writes_once(folder: Folder) -> None:
    assert folder.create("once", b"mine") is True
    assert folder.create("once", b"yours") is False
    assert folder.read("once") == b"mine"


def test_listings_are_sorted_and_relative(folder: Folder) -> None:
    assert folder.names() == []
    assert folder.files() == []
    for name in ("b", "a/deep/er", "a/x"):
        folder.write(name, b"")

    assert folder.names() == ["a", "b"]
    assert folder.names("b") == ["b"]
    assert folder.files() == ["a/deep/er", "a/x", "b"]
    assert folder.child("a").files() == ["deep/er", "x"]
    assert folder.child("a").exists("deep")
    assert not folder.exists("nothing")


def test_deleting_takes_files_and_folders_and_what_is_not_there(folder: Folder) -> None:
    for name in ("file", "tree/one", "tree/two/three"):
        folder.write(name, b"x")
    for name in ("file", "tree", "absent"):
        folder.delete(name)

    assert folder.files() == []


def test_moving_takes_files_and_whole_folders(folder: Folder) -> None:
    folder.write("tree/one", b"1")
    folder.write("tree/two/three", b"3")
    folder.write("file", b"f")
    folder.move("tree", "aside/tree-1")
    folder.move("file", "aside/file-1")

    assert folder.files() == ["aside/file-1", "aside/tree-1/one", "aside/tree-1/two/three"]
    assert folder.read("aside/tree-1/two/three") == b"3"
    assert not folder.exists("tree")


def test_a_log_grows_at_its_end(folder: Folder) -> None:
    folder.append("log.txt", b"one\n")
    folder.append("log.txt", b"two\n")

    assert folder.read("log.txt") == b"one\ntwo\n"


def test_a_large_file_is_adopted(folder: Folder) -> None:
    scratch = folder.scratch()
    scratch.write_bytes(b"x" * 10_000_000)
    folder.adopt(scratch, "big")

    assert folder.sha256("big") == hashlib.sha256(b"x" * 10_000_000).hexdigest()
    assert folder.names() == ["big"]
    assert not scratch.exists()


def test_reading_what_is_not_there_is_file_not_found(folder: Folder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.read("absent")
    with pytest.raises(FileNotFoundError):
        folder.sha256("absent")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a//b", ".", "..", "a/.", "nul\0byte"])
def test_a_name_that_leaves_the_folder_is_refused(folder: Folder, name: str) -> None:
    for action in (folder.read, folder.exists, folder.delete, folder.child):
        with pytest.raises(OutsideFolder):
            action(name)
    with pytest.raises(OutsideFolder):
        folder.write(name, b"x")


def test_locations_are_shown_without_credentials() -> None:
    folder = Folder.at("s3://AKIAEXAMPLE:verysecret@bucket/some/path?region=eu-central-1")

    assert folder.uri == "s3://bucket/some/path"
    assert folder.child("runs").uri == "s3://bucket/some/path/runs"
    assert "verysecret" not in repr(folder)


def test_what_is_opened_again_elsewhere_has_the_options_of_its_uri() -> None:
    location = "s3://AKIAEXAMPLE:verysecret@bucket/some/path?region=eu-central-1"
    assert Folder.at(location).address == location
    child = Folder.at(location).child("runs")
    assert child.address == "s3://AKIAEXAMPLE:verysecret@bucket/some/path/runs?region=eu-central-1"
    assert Folder.at(child.address).uri == child.uri == child.label()


def test_messages_name_a_local_folder_as_the_user_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Folder.at("results").label() == "results"
    assert Folder.at("results").child("runs").label("a/run.parquet") == "results/runs/a/run.parquet"
    assert Folder.at(".").label("runs.parquet") == "runs.parquet"
    assert Folder.at("results").uri == Folder.at("results").address == f"{tmp_path}/results"


def test_what_is_opened_may_be_one_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"a,b")
    (tmp_path / "table.csv").symlink_to(tmp_path / "elsewhere")
    found = Folder.at(tmp_path / "table.csv")
    assert (found.is_file(), found.is_directory(), found.content()) == (True, False, b"a,b")
    assert (Folder.at(tmp_path).is_file(), Folder.at(tmp_path).is_directory()) == (False, True)


def test_files_and_folders_are_told_apart(folder: Folder) -> None:
    for name in ("b", "a/deep", "c"):
        folder.write(name, b"")
    assert folder.file_names() == ["b", "c"]
    assert (folder.is_file("b"), folder.is_directory("b")) == (True, False)
    assert (folder.is_file("a"), folder.is_directory("a")) == (False, True)
    assert not folder.is_file("nothing")
    assert not folder.is_directory("nothing")


def test_the_class_for_files_loads_neither_pandas_nor_the_rest_of_analysis() -> None:
    script = (
        "import sys, analysis.tables.folder\n"
        "assert not {'pandas', 'pyarrow.parquet', 'torch', 'ray'} & set(sys.modules)\n"
        "ours = sorted(name for name in sys.modules if name.startswith('analysis'))\n"
        "tables = [f'analysis.tables.{name}' for name in ('durable_files', 'folder')]\n"
        "assert ours == ['analysis', 'analysis.tables', *tables], ours\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_file_uri_is_a_local_directory(tmp_path: Path) -> None:
    folder = Folder.at(f"file://{tmp_path}/with%20space")
    folder.write("x", b"1")

    assert folder.is_local
    assert (tmp_path / "with space" / "x").read_bytes() == b"1"


def test_only_a_local_folder_has_a_path(tmp_path: Path) -> None:
    assert Folder.at(tmp_path).local_path == tmp_path
    with pytest.raises(ValueError, match="not a local directory"):
        _ = Folder.at("memory://bucket/results").local_path


def test_a_folder_can_be_sent_to_another_process(tmp_path: Path) -> None:
    for folder in (Folder.at(tmp_path), Folder.at("s3://bucket/results?region=eu-central-1")):
        received = pickle.loads(pickle.dumps(folder))

        assert (received.uri, received.is_local) == (folder.uri, folder.is_local)


def test_an_unknown_scheme_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Folder.at("nonsense://bucket/results")
