"""A results directory keeps exactly one record a run, its attempts apart, and finds runs by what people call them."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.tables.folder import OutsideFolder
from analysis.tables.schema import EPOCHS, PREDICTIONS, RUNS, Corrupt, read_parquet
from orchestrator.errors import UserError
from orchestrator.storage import Attempt, Store, records
from tests.orchestrator.storage.stores import cells, fill, make_outcome, make_run, read_table
from trainables.training.outcome import Outcome


@pytest.fixture(params=["local", "odd name", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return Store.open(f"memory://{secrets.token_hex(8)}/results", owner="me")
    return Store.open(
        tmp_path / {"local": "results", "odd name": 'it\'s "odd"\n日本 $(x) %20'}[request.param], owner="me"
    )


def test_opening_creates_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results")

    assert store.recorded() == {}
    assert store.cells() == []
    assert store.experiment() is None
    assert store.attempts(make_run().run_id) == ()
    assert store.log(make_run().run_id) is None
    assert list(tmp_path.iterdir()) == []


def test_a_committed_run_is_recorded_with_its_status(store: Store) -> None:
    run, diverged = make_run(1), make_run(2)

    assert store.commit(run, make_outcome()) is True
    assert store.commit(diverged, Outcome("diverged", "loss became NaN at step 3")) is True

    assert store.recorded() == {run.run_id: "completed", diverged.run_id: "diverged"}
    assert [store.status(one.run_id) for one in (run, diverged, make_run(3))] == ["completed", "diverged", None]


def test_a_record_holds_the_exact_tables_and_the_hashes_of_its_files(tmp_path: Path) -> None:
    store, run = Store.open(tmp_path, owner="token-1"), make_run(7)
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    store.commit(run, make_outcome(0.75, world_size=2), attempt=3, columns={"started_at": started, "git_commit": "abc"})
    folder = store.folder(run.run_id)
    parts = {name.partition("-")[0].partition(".")[0]: name for name in folder.names()}
    runs = pq.read_table(tmp_path / "runs" / run.run_id / "run.parquet")
    record = json.loads(folder.read(parts["record"]))

    assert sorted(parts) == ["epochs", "predictions", "record", "run", "spec"]
    assert runs.schema.names == [*RUNS.names, "metric_weighted_f1"]
    assert pq.read_schema(tmp_path / "runs" / run.run_id / parts["epochs"]).names == [
        *EPOCHS.names,
        "metric_weighted_f1",
    ]
    assert pq.read_schema(tmp_path / "runs" / run.run_id / parts["predictions"]).names == PREDICTIONS.names
    row = runs.to_pylist()[0]
    assert (row["run_id"], row["system"], row["seed"], row["split_seed"]) == (run.run_id, "small/default", 7, 42)
    assert (row["score"], row["attempt"], row["world_size"], row["status"]) == (0.75, 3, 2, "completed")
    assert (row["dataset"], row["dataset_fingerprint"], row["git_commit"]) == ("demo-data", "f" * 64, "abc")
    assert row["started_at"] == started
    assert (record["owner"], record["status"], record["run_id"]) == ("token-1", "completed", run.run_id)
    for name, described in record["files"].items():
        assert described == {"sha256": folder.sha256(name), "bytes": len(folder.read(name))}


def test_the_first_record_wins_and_the_second_becomes_an_attempt(store: Store) -> None:
    run = make_run()
    store.commit(run, make_outcome(0.1))
    before = {name: store.folder(run.run_id).read(name) for name in store.folder(run.run_id).files()}

    assert replace(store, owner="other").commit(run, make_outcome(0.9), attempt=2) is False

    after = store.folder(run.run_id).files()
    assert {name: store.folder(run.run_id).read(name) for name in before} == before
    assert set(after) - set(before) == {"attempts/2.json"}
    (attempt,) = store.attempts(run.run_id)
    assert (attempt.number, attempt.status, attempt.owner) == (2, "superseded", "other")
    assert store.verify() == ()


def test_a_record_with_rows_of_another_run_is_damaged(store: Store) -> None:
    mine, other = make_run(0), make_run(1)
    theirs = records.from_outcome(other, make_outcome(0.1), {}, 1, "token")
    store.commit(other, make_outcome(0.1))
    epochs = next(name for name in theirs.files if name.startswith("epochs-"))
    tables = records.from_outcome(mine, make_outcome(0.5), {}, 1, "token")
    mixed = records.from_tables(
        records.Tables(
            "completed",
            read_parquet(tables.files["run.parquet"], kind="runs"),
            read_parquet(theirs.files[epochs], kind="epochs"),
            read_parquet(next(data for name, data in tables.files.items() if name.startswith("predictions-"))),
        ),
        "token",
    )
    folder = store.folder(mine.run_id)
    assert records.publish(folder, mixed)
    with pytest.raises(Corrupt, match=f"holds rows of another run than {mine.run_id}"):
        records.load(folder, mixed.name, mine.run_id)


def test_a_record_file_says_nothing_of_a_table_that_it_does_not_belong_to(store: Store) -> None:
    mine, other = fill(store, 2)
    store.folder(mine.run_id).write("run.parquet", store.folder(other.run_id).read("run.parquet"))
    assert store.status(mine.run_id) is None


def test_a_stopped_run_has_no_record(store: Store) -> None:
    with pytest.raises(ValueError, match="stopped"):
        store.commit(make_run(), Outcome("stopped"))

    assert store.recorded() == {}


def test_a_score_of_nan_is_recorded_as_no_score(store: Store) -> None:
    store.commit(make_run(), make_outcome(float("nan")))
    store.compact()

    assert read_parquet(store.root.read("runs.parquet"))["score"].null_count == 1


def test_a_column_that_nobody_documented_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="surprise"):
        store.commit(make_run(), make_outcome(surprise=1.0))

    assert store.recorded() == {}


def test_attempts_are_numbered_and_kept(store: Store) -> None:
    run, now = make_run(), datetime(2026, 1, 1, tzinfo=UTC)
    first = Attempt(1, "failed", "crashed", "boom\nbang", "Traceback ...", now, now, "8 cores")

    assert store.record_attempt(run, first) == 1
    assert store.record_attempt(run, Attempt(1, "failed", "lost", "the worker went away")) == 2
    assert store.record_attempt(run, Attempt(10, "stopped")) == 10

    assert store.attempts(run.run_id)[0] == replace(first, owner="me")
    assert [(attempt.number, attempt.kind) for attempt in store.attempts(run.run_id)] == [
        (1, "crashed"),
        (2, "lost"),
        (10, None),
    ]
    assert store.recorded() == {}


def test_no_host_name_gets_into_what_is_written(tmp_path: Path) -> None:
    store, host = Store.open(tmp_path), socket.gethostname()
    message = f"connection to {host}:8080 refused"
    store.record_attempt(make_run(1), Attempt(1, message=message, traceback=message, hardware=f"cpu of {host}"))
    store.commit(make_run(2), replace(make_outcome(hardware=f"cpu of {host}"), error=message))
    store.compact()

    attempt = store.attempts(make_run(1).run_id)[0]
    assert attempt.message == "connection to <host>:8080 refused"
    assert attempt.traceback == attempt.message
    frame = pd.read_parquet(tmp_path / "runs.parquet")
    assert set(frame["hardware"]) == {"cpu of <host>"}
    assert frame["error"].str.contains("<host>").all()


def test_a_run_has_its_own_log(store: Store) -> None:
    run_id = make_run().run_id
    store.append_log(run_id, "one\n")
    store.append_log(run_id, "zwei ü\n")

    assert store.log(run_id) == "one\nzwei ü\n"


def test_forgetting_moves_a_run_aside_as_often_as_needed(store: Store) -> None:
    run = make_run()
    for score, place in ((0.1, f"forgotten/{run.run_id}-1"), (0.2, f"forgotten/{run.run_id}-2")):
        assert store.commit(run, make_outcome(score)) is True
        assert store.forget(run.run_id) == place
        assert store.recorded() == {}
        assert store.root.exists(f"{place}/run.parquet")
    with pytest.raises(UserError, match="no run"):
        store.forget(run.run_id)


def test_a_forgotten_run_can_be_committed_anew_and_the_tables_follow(store: Store) -> None:
    runs = fill(store, 3)
    store.compact()
    store.forget(runs[1].run_id)
    store.commit(runs[1], make_outcome(0.99))
    store.compact()

    assert read_table(store, "runs").set_index("seed")["score"].to_dict() == {0: 0.0, 1: 0.99, 2: 0.02}


def test_runs_are_found_by_the_beginning_of_their_id_and_by_system_and_seed(store: Store) -> None:
    runs = [make_run(seed, model) for model in ("small", "owner/odd:name") for seed in range(3)]
    store.write_experiment({}, cells(runs[:-1]))
    store.commit(runs[-1], make_outcome())

    assert store.resolve_run(runs[0].run_id[:12]) == runs[0].run_id
    assert store.resolve_run(runs[-1].run_id.upper()) == runs[-1].run_id
    assert store.resolve_run("small/default:1") == runs[1].run_id
    assert store.resolve_run("owner/odd:name/default:0") == runs[3].run_id
    for nothing in ("", "zzzz", "small/default:7", ":1", "small/default:"):
        with pytest.raises(UserError, match=r"no run .* such as small/default:0"):
            store.resolve_run(nothing)


def test_a_name_that_fits_several_runs_lists_them(store: Store) -> None:
    runs = [make_run(1), make_run(1, fold=0), make_run(1, fold=1)]
    store.write_experiment({}, cells(runs))

    with pytest.raises(UserError, match="names 3 runs") as caught:
        store.resolve_run("small/default:1")
    for run in runs:
        assert run.run_id in str(caught.value)


@pytest.mark.parametrize("run_id", ["../x", "", "ABCDEF0123456789", "0123456789abcdef/..", "0123456789abcde"])
def test_what_is_no_run_id_is_no_folder(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ValueError, match="not a run id"):
        Store.open(tmp_path).folder(run_id)


def test_a_run_folder_that_links_out_of_the_results_is_refused(tmp_path: Path) -> None:
    run = make_run()
    (tmp_path / "outside").mkdir()
    (tmp_path / "results/runs").mkdir(parents=True)
    (tmp_path / "results/runs" / run.run_id).symlink_to(tmp_path / "outside")

    with pytest.raises(OutsideFolder):
        Store.open(tmp_path / "results").commit(run, make_outcome())
    assert list((tmp_path / "outside").iterdir()) == []


def test_foreign_files_among_the_runs_are_left_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    runs = fill(store, 2)
    (tmp_path / "runs/.DS_Store").write_text("x")
    (tmp_path / "runs/notes").mkdir()
    (tmp_path / "runs/notes/run.parquet").write_text("x")

    assert set(store.recorded()) == {run.run_id for run in runs}
    assert store.compact().problems == ()


def test_a_results_directory_can_be_moved(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "before")
    runs = fill(store, 3)
    store.check_fingerprint("demo-data", "f" * 64)
    store.write_experiment({"experiment": "demo"}, cells(runs))
    store.compact()
    shutil.move(tmp_path / "before", tmp_path / "after")
    moved = Store.open(tmp_path / "after")

    assert len(moved.recorded()) == 3
    assert moved.verify() == ()
    assert moved.compact().added == 0
    assert moved.commit(runs[0], make_outcome()) is False
    for path in (tmp_path / "after").rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes()


def test_the_probe_leaves_nothing_behind(store: Store) -> None:
    store.probe()

    assert store.root.files() == []


def test_an_unknown_place_is_an_error_for_users() -> None:
    with pytest.raises(UserError, match="--out 'nonsense://x/y' cannot be opened"):
        Store.open("nonsense://x/y")
