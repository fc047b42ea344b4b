"""The commands under `cluster` without a cluster: what they print, what they refuse, and with which exit code."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.cluster import ssh
from orchestrator.cluster.jobs import fetch, target_of
from orchestrator.errors import EnvironmentProblem, UserError
from tests.orchestrator.cluster.files import AWS, changed, filled_in

TOKEN = "0123456789abcdef" * 4
OUT = ("--out", "/shared/here")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token, and nothing in the environment that names a cluster."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    return place


def run(*arguments: object) -> Result:
    """One command under `cluster`."""
    return CliRunner().invoke(main, ["cluster", *map(str, arguments)])


class Locked(BaseHTTPRequestHandler):
    """A dashboard as one without the right token sees it; the answers are Ray's."""

    def do_GET(self) -> None:
        code = 403 if self.headers.get("Authorization") else 401
        self.send_response(code)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def locked_dashboard() -> Iterator[str]:
    """The address of such a dashboard."""
    with HTTPServer(("127.0.0.1", 0), Locked) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_check_prints_what_would_run_and_what_is_to_be_filled_in() -> None:
    found = run("check", AWS, "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert [node["count"] for node in document["nodes"]] == ["1", "1 to 2"]
    assert [node["machine"] for node in document["nodes"]] == ["m7i.2xlarge", "p6-b200.48xlarge"]
    assert {row["port"] for row in document["ports"]} == {22, 6379, 8076, 8077, 8090, 8265, 10001}
    assert any("--dashboard-host=127.0.0.1" in row["text"] for row in document["commands"])
    assert len(document["to_fill_in"]) == 10


def test_check_names_every_open_door_at_once_and_the_flag_for_each(tmp_path: Path) -> None:
    changes = (
        ("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0"),
        ("HttpTokens: required", "HttpTokens: optional"),
    )
    path = changed(tmp_path, AWS, *changes)
    found = run("check", path)
    assert found.exit_code == 2
    assert "(or: --allow public-dashboard)" in found.stderr
    assert found.stderr.count("(or: --allow old-metadata)") == 2
    allowed = run("check", path, "--allow", "public-dashboard", "--allow", "old-metadata")
    assert allowed.exit_code == 0
    assert "(allowed: public-dashboard)" in allowed.stderr


def test_up_starts_nothing_while_values_are_missing(home: Path) -> None:
    found = run("up", AWS, "--yes")
    assert found.exit_code == 2
    assert found.stderr.count("still says") == 10
    assert not (home / ".ray" / "auth_token").exists()


def test_up_says_which_host_cannot_be_reached(tmp_path: Path, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = taken.getsockname()[1]
        found = run(
            "up",
            filled_in(tmp_path, ("  ssh_user:", f"  ssh_proxy_command: nc 127.0.0.1 {nobody}\n  ssh_user:")),
            "--yes",
        )
    assert found.exit_code == 4
    assert "it cannot be reached by SSH" in found.stderr
    assert not (home / ".ray" / "auth_token").exists()


def test_an_address_where_nothing_answers_is_the_environments_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = run("submit", "--address", f"http://127.0.0.1:{taken.getsockname()[1]}", "sweep", "quickstart", *OUT)
    assert found.exit_code == 4
    assert "no Ray dashboard answers at http://127.0.0.1" in found.stderr
    assert found.stderr.count("\n") == 1


def test_an_address_of_another_kind_is_a_mistake() -> None:
    found = run("submit", "--address", "ray://127.0.0.1:10001", "sweep", "quickstart", *OUT)
    assert found.exit_code == 2
    assert "must be the dashboard's, http://HOST:PORT" in found.stderr


def test_a_missing_and_a_wrong_token_are_told_apart() -> None:
    with locked_dashboard() as address:
        missing = run("submit", "--address", address, "sweep", "quickstart", *OUT)
        assert ssh.ensure_token()
        wrong = run("attach", "--address", address)
    assert (missing.exit_code, wrong.exit_code) == (4, 4)
    assert "it asks for a token; put it in" in missing.stderr
    assert "is not its token" in wrong.stderr
    assert str(ssh.token()) not in wrong.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep", "quickstart", "--lnes", "2"), "No such option"),
        (("swep", "quickstart"), "did you mean 'sweep'?"),
        (("sweep", "quickstrat"), "did you mean 'quickstart'?"),
        (("sweep", "quickstart"), "where do the results go on the cluster?"),
        (("sweep", "quickstart", "--address", "auto", *OUT), "--address cannot be used here"),
        (("plan", "quickstart"), "cannot send 'plan' to a cluster"),
    ],
)
def test_a_mistake_in_what_is_sent_is_found_before_anybody_is_asked(arguments: tuple[str, ...], said: str) -> None:
    found = run("submit", "--address", "http://127.0.0.1:1", *arguments)
    assert found.exit_code == 2
    assert said in found.stderr


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = run("dashboard", filled_in(tmp_path), "--port", taken.getsockname()[1])
    assert found.exit_code == 4
    assert "choose another with --port" in found.stderr


def test_nothing_is_sent_to_a_cluster_whose_file_is_not_filled_in() -> None:
    found = run("submit", "--cluster", AWS, "sweep", "quickstart")
    assert found.exit_code == 2
    assert "metadata.results: still says s3://CHANGE-ME/results" in found.stderr


def test_results_on_the_head_cannot_be_brought_without_its_file() -> None:
    found = run("submit", "--address", "http://127.0.0.1:1", "--fetch", "sweep", "quickstart", *OUT)
    assert found.exit_code == 2
    assert "name the cluster with --cluster FILE" in found.stderr


def test_results_in_an_object_store_are_brought_by_their_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store" / "quickstart" / "runs").mkdir(parents=True)
    (tmp_path / "store" / "quickstart" / "runs" / "a.parquet").write_bytes(b"rows")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    brought = fetch(f"file://{tmp_path}/store/quickstart", None)
    assert (brought / "runs" / "a.parquet").read_bytes() == b"rows"
    assert target_of("s3://key:secret@bucket/results/quickstart/?region=eu-central-1") == brought
    assert target_of("/shared/results/what?#1/") == brought.parent / "what?#1"
    with pytest.raises(EnvironmentProblem, match=r"store/none cannot be read"):
        fetch(f"file://{tmp_path}/store/none", None)


@pytest.mark.parametrize(("part", "target"), [("runs", "outside"), ("runs/a.parquet", "precious"), ("", "outside")])
def test_nothing_is_brought_through_a_link_except_to_a_folder_that_is_one(
    part: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store/quickstart/runs").mkdir(parents=True)
    (tmp_path / "store/quickstart/runs/a.parquet").write_bytes(b"rows")
    (tmp_path / "outside").mkdir()
    (tmp_path / "precious").write_bytes(b"mine")
    place = tmp_path / "results/quickstart" / part
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / target)
    monkeypatch.chdir(tmp_path)
    if not part:
        assert (fetch(f"file://{tmp_path}/store/quickstart", None) / "runs/a.parquet").read_bytes() == b"rows"
        return
    with pytest.raises(UserError, match=rf"results/quickstart/{part} is a link, and nothing is fetched through links"):
        fetch(f"file://{tmp_path}/store/quickstart", None)
    assert list((tmp_path / "outside").iterdir()) == []
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_a_token_is_made_once_and_nobody_else_can_read_it(home: Path) -> None:
    assert ssh.ensure_token()
    made = ssh.token()
    assert made is not None
    assert len(made) == 64
    file = home / ".ray" / "auth_token"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert not ssh.ensure_token()
    assert ssh.token() == made
    assert file.stat().st_mode & 0o777 == 0o600
