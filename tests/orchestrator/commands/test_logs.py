"""What is known of one run: in words, for programs, and as it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.commands.results import followed, history
from orchestrator.errors import UserError
from orchestrator.storage import Attempt, Store
from tests.orchestrator.storage.stores import cells, make_outcome, make_run


def invoke(*arguments: str) -> Result:
    """One command, its streams apart."""
    return CliRunner().invoke(main, list(arguments))


def test_a_log_is_followed_until_the_run_has_a_record(tmp_path: Path) -> None:
    store, run = Store.open(tmp_path), make_run()
    with store.lock():
        lines = followed(store, run.run_id, pause_seconds=0)
        store.append_log(run.run_id, "epoch 1\n")
        assert next(lines) == "epoch 1"
        store.append_log(run.run_id, "epoch 2\nepoch 3\n")
        assert next(lines) == "epoch 2\nepoch 3"
        store.record_attempt(run, Attempt(1, kind="crashed", message="oops"))
        assert next(lines) == "attempt 1 failed: crashed: oops"
        store.append_log(run.run_id, "epoch 1 again\n")
        store.commit(run, make_outcome())
        assert list(lines) == ["epoch 1 again"]


def test_a_log_is_followed_no_longer_than_somebody_works_there(tmp_path: Path) -> None:
    store, run = Store.open(tmp_path), make_run()
    assert not store.is_in_use()
    store.append_log(run.run_id, "epoch 1\n")
    with store.lock():
        assert store.is_in_use()
        lines = followed(store, run.run_id, pause_seconds=0)
        assert next(lines) == "epoch 1"
    store.append_log(run.run_id, "stopped\n")
    assert list(lines) == ["stopped"]
    assert not store.is_in_use()


def test_a_lock_whose_process_was_killed_is_nobodys(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock():
        left = (tmp_path / "sweep.lock").read_bytes()
    (tmp_path / "sweep.lock").write_bytes(left)
    assert left
    assert not store.is_in_use()


def test_a_run_that_never_started_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has not started yet"):
        list(followed(Store.open(tmp_path), "0" * 16))


def test_logs_and_forget_are_documents_too(tmp_path: Path) -> None:
    store, run = Store.open(tmp_path), make_run()
    store.write_experiment({"experiment": "demo"}, cells([run]))
    store.record_attempt(run, Attempt(1, kind="crashed", message="oops"))
    store.append_log(run.run_id, "epoch 1\n")
    assert store.commit(run, make_outcome(), attempt=2)
    about = {"schema_version": 1, "run_id": run.run_id, "location": str(tmp_path)}
    found = json.loads(invoke("logs", "small/default:0", "--out", str(tmp_path), "--json").stdout)
    (attempt,) = found.pop("attempts")
    assert found == {**about, "status": "completed", "log": "epoch 1\n"}
    assert (attempt["number"], attempt["status"], attempt["message"]) == (1, "failed", "oops")
    assert invoke("logs", run.run_id, "--out", str(tmp_path), "--follow").stdout == f"{history(store, run.run_id)}\n"
    place = f"{tmp_path}/forgotten/{run.run_id}-1"
    forgotten = invoke("forget", run.run_id, "--out", str(tmp_path), "--yes", "--json")
    assert json.loads(forgotten.stdout) == {**about, "moved_to": place}
    assert Path(place).is_dir()


def test_following_is_no_document(tmp_path: Path) -> None:
    result = invoke("logs", "abc", "--out", str(tmp_path), "--follow", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["exit_code"] == 2
