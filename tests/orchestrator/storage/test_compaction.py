"""The compacted tables hold exactly what the records hold, read only news, and can always be built anew."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.tables.schema import EPOCHS, LATER_COLUMNS, PREDICTIONS, RUNS, Kind
from orchestrator.storage import Attempt, Store
from tests.orchestrator.storage.stores import fill, make_outcome, make_run, read_table
from trainables.training.outcome import Outcome

KINDS: tuple[Kind, ...] = ("runs", "epochs", "predictions")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store.open(tmp_path / "results" if request.param == "local" else f"memory://{secrets.token_hex(8)}/results")


def _tables(store: Store) -> dict[Kind, pd.DataFrame]:
    return {kind: read_table(store, kind) for kind in KINDS}


def _assert_same(left: dict[Kind, pd.DataFrame], right: dict[Kind, pd.DataFrame]) -> None:
    for kind in KINDS:
        pd.testing.assert_frame_equal(left[kind], right[kind])


def test_the_tables_hold_every_row_of_every_record(store: Store) -> None:
    runs = fill(store, 6)
    summary = store.compact()
    tables = _tables(store)

    assert (summary.runs, summary.added, summary.removed, summary.failed, summary.problems) == (6, 6, 0, 0, ())
    assert tables["runs"]["score"].tolist() == [0.0, 0.01, 0.02, 0.03, 0.04, 0.05]
    assert tables["runs"]["run_id"].tolist() == [run.run_id for run in runs]
    assert tables["epochs"].groupby("run_id")["epoch"].apply(list).to_dict() == {run.run_id: [1, 2] for run in runs}
    assert tables["predictions"].groupby("run_id").size().to_dict() == {
        run.run_id: run.config.seed % 4 for run in runs if run.config.seed % 4
    }
    assert tables["predictions"]["run_id"].is_monotonic_increasing


def test_records_from_before_a_column_was_added_stand_beside_those_that_have_it(store: Store) -> None:
    before, after = make_run(0), make_run(1)
    store.commit(before, make_outcome(), columns={"git_commit": "abc"})
    store.compact()
    assert [name for name in read_table(store, "runs") if name in LATER_COLUMNS["runs"]] == []
    store.commit(after, make_outcome(), columns={"orchestrate_version": "0.1.0", "orchestrate_commit": "def"})
    assert store.compact().problems == ()
    kept = read_table(store, "runs").set_index("run_id")
    said = kept[["git_commit", *LATER_COLUMNS["runs"]]].fillna("").T.to_dict("list")
    assert said == {before.run_id: ["abc", "", ""], after.run_id: ["", "0.1.0", "def"]}

    for run in (before, after):
        for name in ("run.parquet", "epochs-", "predictions-", "record-"):
            (found,) = store.folder(run.run_id).names(name)
            store.folder(run.run_id).delete(found)
    assert "restored from the tables" in " ".join(store.compact().problems)
    pd.testing.assert_frame_equal(read_table(store, "runs").set_index("run_id"), kept)
    assert store.verify() == ()


def test_an_empty_results_directory_gives_empty_tables(store: Store) -> None:
    assert store.compact().runs == 0
    tables = _tables(store)

    assert [list(tables[kind].columns) for kind in KINDS] == [RUNS.names, EPOCHS.names, PREDICTIONS.names]
    assert [len(tables[kind]) for kind in KINDS] == [0, 0, 0]


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    fill(store, 3)
    store.compact()
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.glob("*.*") if path.is_file()}

    for again in (store.compact, store.repair):
        again()
        assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before


def test_step_by_step_and_all_at_once_give_the_same_tables(tmp_path: Path) -> None:
    stepwise, at_once = Store.open(tmp_path / "a", "owner"), Store.open(tmp_path / "b", "owner")
    for seed in (4, 1, 3, 0, 2):
        stepwise.commit(make_run(seed), make_outcome(seed / 100, num_words=seed % 4))
        stepwise.compact()
    fill(at_once, 5)
    at_once.compact()

    _assert_same(_tables(stepwise), _tables(at_once))


def test_only_news_is_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    runs = fill(store, 3)
    store.compact()
    for run in runs:
        for path in (tmp_path / "runs" / run.run_id).glob("predictions-*"):
            path.unlink()
    store.commit(make_run(3), make_outcome(0.03, num_words=3))

    summary = store.compact()

    assert (summary.runs, summary.added, summary.problems) == (4, 1, ())
    assert len(read_table(store, "predictions")) == 0 + 1 + 2 + 3


def test_columns_that_only_some_runs_have_are_null_elsewhere(store: Store) -> None:
    extra = make_outcome(0.9, test_accuracy=0.25)
    extra = replace(extra, predictions=extra.predictions.assign(probability=0.5, labels=[["A", "B"]] * 5))
    store.commit(make_run(1), make_outcome(0.1))
    store.compact()
    store.commit(make_run(2), extra)
    store.compact()
    tables = _tables(store)

    assert tables["runs"]["test_accuracy"].fillna(-1).tolist() == [-1, 0.25]
    by_run = tables["predictions"].groupby("run_id")["probability"]
    assert by_run.count().to_dict() == {make_run(1).run_id: 0, make_run(2).run_id: 5}
    assert [name for name in tables["predictions"].columns if name not in PREDICTIONS.names] == [
        "labels",
        "probability",
    ]


def test_a_run_that_fails_after_a_compaction_is_listed_by_the_next_and_a_newer_failure_after_it(store: Store) -> None:
    fill(store, 2)
    store.compact()
    failing = make_run(7)
    for number, message in ((1, "boom"), (2, "again")):
        store.record_attempt(failing, Attempt(number, "failed", "crashed", message))
        store.compact()
        rows = read_table(store, "runs").set_index("run_id")
        assert (len(rows), rows.loc[failing.run_id, "error"]) == (3, f"crashed: {message}")


def test_failed_runs_are_listed_without_a_score_until_they_have_a_record(store: Store) -> None:
    fill(store, 1)
    failing = make_run(5)
    store.record_attempt(failing, Attempt(1, "failed", "crashed", "boom"))
    store.record_attempt(failing, Attempt(2, "failed", "out_of_memory", "needs 3 GiB", hardware="1 core"))
    store.record_attempt(make_run(6), Attempt(1, "stopped"))

    assert store.compact().failed == 1
    row = read_table(store, "runs").set_index("seed").loc[5]
    assert (row["status"], row["error"], row["attempt"]) == ("failed", "out_of_memory: needs 3 GiB", 2)
    assert (row["system"], row["hardware"], row["run_id"]) == ("small/default", "1 core", failing.run_id)
    assert pd.isna(row["score"])
    assert 6 not in read_table(store, "runs")["seed"].tolist()

    store.commit(failing, make_outcome(0.5), attempt=3)
    assert store.compact().failed == 0
    assert read_table(store, "runs").set_index("seed")["status"].to_dict() == {0: "completed", 5: "completed"}


def test_a_record_that_disappeared_leaves_the_tables(store: Store) -> None:
    runs = fill(store, 4)
    store.compact()
    store.forget(runs[3].run_id)
    summary = store.compact()

    assert (summary.runs, summary.removed) == (3, 1)
    for kind in KINDS:
        assert runs[3].run_id not in set(read_table(store, kind)["run_id"])


def test_diverged_and_pruned_runs_are_records_without_predictions(store: Store) -> None:
    store.commit(make_run(1), Outcome("diverged", "loss became NaN at step 3"))
    store.commit(make_run(2), replace(make_outcome(), status="pruned", predictions=pd.DataFrame()))
    store.compact()

    assert read_table(store, "runs")["status"].tolist() == ["diverged", "pruned"]
    assert len(read_table(store, "predictions")) == 0


def test_there_is_a_row_group_a_run(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    fill(store, 4)
    store.compact()
    file = pq.ParquetFile(tmp_path / "predictions.parquet")

    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] != []
    for group in range(file.num_row_groups):
        assert len(set(file.read_row_group(group)["run_id"].to_pylist())) == 1
    file.close()


def test_the_manifest_has_the_hash_of_every_table(store: Store) -> None:
    fill(store, 2)
    store.compact()
    manifest = json.loads(store.root.read("manifest.json"))

    assert sorted(manifest["tables"]) == ["epochs.parquet", "predictions.parquet", "runs.parquet"]
    for name, described in manifest["tables"].items():
        assert described["sha256"] == store.root.sha256(name)
        assert described["bytes"] == len(store.root.read(name))
        assert described["rows"] == len(read_table(store, name.removesuffix(".parquet")))


def test_tables_that_are_missing_are_built_anew_without_a_complaint(store: Store) -> None:
    fill(store, 3)
    store.compact()
    before = _tables(store)
    for name in ("runs.parquet", "manifest.json"):
        store.root.delete(name)

        assert len(store.compact().problems) == (0 if name == "runs.parquet" else 3)
        _assert_same(_tables(store), before)


def test_the_compacted_runs_are_given_only_when_they_are_whole(store: Store) -> None:
    assert store.table("runs") is None
    fill(store, 2)
    store.compact()
    table = store.table("runs")
    assert table is not None
    assert table["seed"].to_pylist() == [0, 1]

    store.root.write("runs.parquet", store.root.read("epochs.parquet"))
    assert store.table("runs") is None
