"""Files at addresses are fetched once, within limits, and what cannot be fetched is explained."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from trainables.config import DataConfig
from trainables.data.dataset import DataError
from trainables.data.load import fingerprint, load_corpus
from trainables.data.sources import remote
from trainables.data.sources.remote import is_remote, local_copy, shown

CLASSES = ("text", "label")
ROWS = b"text,label\none,x\ntwo,y\n"


class _Files:
    """What the server below holds: content and headers by path, and the requests that it got."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {"/d.csv": ROWS}
        self.headers: dict[str, str] = {"ETag": '"1"'}
        self.length = True
        self.requests: list[str] = []
        self.stop: Callable[[], None] = lambda: None


@pytest.fixture
def files() -> _Files:
    """The files of the server."""
    return _Files()


def _handler(files: _Files) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> bytes:
            body = files.content.get(self.path.partition("?")[0])
            files.requests.append(f"{self.command} {self.path}")
            self.send_response(404 if body is None else 200)
            length = {"Content-Length": str(len(body or b""))} if files.length else {}
            for name, value in (files.headers | length).items():
                self.send_header(name, value)
            self.end_headers()
            return body or b""

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self.wfile.write(self._answer())

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    return Handler


@pytest.fixture
def address(files: _Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on this machine that serves `files`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(files))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    files.stop = stop
    yield f"http://127.0.0.1:{server.server_port}"
    if thread.is_alive():
        stop()


def test_a_file_at_an_address_is_read_like_a_local_one(address: str, tmp_path: Path) -> None:
    local = tmp_path / "d.csv"
    local.write_bytes(ROWS)
    corpus = load_corpus(DataConfig(path=f"{address}/d.csv?token=secret"), CLASSES)
    assert [item["text"] for item in corpus.items] == ["one", "two"]
    assert corpus.name == "d.csv"
    assert "secret" not in corpus.source
    assert corpus.fingerprint == fingerprint(DataConfig(path=str(local)), CLASSES)


def test_files_at_addresses_can_be_parts(address: str, files: _Files) -> None:
    files.content["/t.csv"] = b"text,label\nthree,x\n"
    corpus = load_corpus(DataConfig(train=f"{address}/d.csv", test=f"{address}/t.csv"), CLASSES)
    assert [item["id"] for item in corpus.items] == ["train/2", "train/3", "test/2"]


@pytest.mark.parametrize("length", [True, False])
def test_a_file_is_fetched_once_until_it_changes(address: str, files: _Files, length: bool) -> None:
    files.length = length
    assert local_copy(f"{address}/d.csv").read_bytes() == ROWS
    fetched = [request for request in files.requests if request.startswith("GET")]
    assert local_copy(f"{address}/d.csv").read_bytes() == ROWS
    again = [request for request in files.requests if request.startswith("GET")]
    assert len(again) - len(fetched) == (0 if length else 1)  # without a length, fsspec asks with GET as well
    files.content["/d.csv"], files.headers["ETag"] = b"text,label\nnew,x\n", '"2"'
    assert local_copy(f"{address}/d.csv").read_bytes() == b"text,label\nnew,x\n"


def test_a_copy_serves_while_the_server_is_away(address: str, files: _Files, caplog: pytest.LogCaptureFixture) -> None:
    local_copy(f"{address}/d.csv")
    requests = len(files.requests)
    assert local_copy(f"{address}/d.csv", offline=True).read_bytes() == ROWS
    assert len(files.requests) == requests
    files.stop()
    assert local_copy(f"{address}/d.csv").read_bytes() == ROWS
    assert "d.csv: cannot be fetched (ClientConnectorError)" in caplog.text
    assert "the copy of an earlier run is used" in caplog.text
    with pytest.raises(DataError, match=r"/other\.csv: cannot be fetched .*or download the file and give its path"):
        local_copy(f"{address}/other.csv")


def test_a_file_that_the_server_no_longer_has_is_refused_although_there_is_a_copy(address: str, files: _Files) -> None:
    local_copy(f"{address}/d.csv")
    files.content.clear()
    with pytest.raises(DataError, match="the server answers 404"):
        local_copy(f"{address}/d.csv")


@pytest.mark.parametrize("length", [True, False])
def test_a_file_above_the_limit_is_refused_and_nothing_of_it_is_kept(
    address: str, files: _Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, length: bool
) -> None:
    monkeypatch.setattr(remote, "MAX_DOWNLOAD_BYTES", len(ROWS) - 1)
    files.length = length
    with pytest.raises(DataError, match=r"d\.csv: larger than .*; download the file and give its path"):
        local_copy(f"{address}/d.csv")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_web_page_in_place_of_a_file_is_refused(address: str, files: _Files) -> None:
    files.content["/d.csv"] = b"\n<!DOCTYPE html><html><body>sign in</body></html>"
    with pytest.raises(DataError, match="is a web page, not a file; give the address of the raw file"):
        load_corpus(DataConfig(path=f"{address}/d.csv"), CLASSES)


def test_other_protocols_work_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/d.csv", ROWS)
    assert len(load_corpus(DataConfig(path="memory://bucket/d.csv"), CLASSES)) == 2
    memory.pipe("/bucket/d.csv", ROWS + b"three,x\n")
    assert len(load_corpus(DataConfig(path="memory://bucket/d.csv"), CLASSES)) == 3
    with pytest.raises(DataError, match="memory://bucket: is a folder; give the addresses of its files"):
        local_copy("memory://bucket")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("az://bucket/d.csv", "az:// needs the package adlfs"),
        ("nothing://bucket/d.csv", "nothing:// is no known protocol"),
    ],
)
def test_a_protocol_without_its_package_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reason: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DataError) as caught:
        local_copy(path)
    assert reason in str(caught.value)
    assert "or download the file and give its path" in str(caught.value)


def test_addresses_are_told_from_paths_and_shown_without_secrets() -> None:
    assert [is_remote(path) for path in ("s3://b/x", "https://h/x", "file:///x", "/a//b", "x.csv")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert shown("https://me:pass@host/a/d.csv?token=1#2") == "https://host/a/d.csv"
