"""Files of records that somebody deleted: finished runs get their record back, or it is said that they run again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.tables.checksummed_json import dump_checksummed
from analysis.tables.schema import Kind
from orchestrator.cli import main
from orchestrator.commands.sweep import check_fingerprint
from orchestrator.config import resolve
from orchestrator.errors import UserError
from orchestrator.storage import Store
from orchestrator.storage.cells import cell_columns
from orchestrator.storage.status import status_of
from tests.faults.clean_sweep import NUM_RUNS, assert_clean, finish, tables
from tests.orchestrator.experiments import resolved
from tests.orchestrator.storage.stores import cells, fill, make_outcome, make_run

LOST = make_run(3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep, its tables not made yet."""
    store = Store.open(tmp_path_factory.mktemp("finished"))
    store.check_fingerprint("demo-data", "f" * 64)
    store.write_experiment({"experiment": "demo"}, [{"experiment": "demo", **cell} for cell in cells(fill(store, 4))])
    return store.root.local_path


@pytest.fixture(scope="module")
def clean(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, pd.DataFrame]:
    """The tables of a sweep that nothing happened to."""
    store = Store.open(shutil.copytree(finished, tmp_path_factory.mktemp("clean") / "results"))
    store.compact()
    return tables(store)


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Store:
    """A copy of the finished sweep."""
    return Store.open(shutil.copytree(finished, tmp_path / "results"))


def delete(store: Store, *prefixes: str) -> None:
    """Remove files of the run with seed 3 by the beginnings of their names."""
    folder = store.folder(LOST.run_id)
    for name in folder.names():
        if name.startswith(prefixes):
            folder.delete(name)


def test_a_record_without_its_file_that_no_table_holds_is_no_dead_end(
    store: Store, clean: dict[Kind, pd.DataFrame]
) -> None:
    delete(store, "record-")

    assert LOST.run_id not in store.recorded()
    assert store.status(LOST.run_id) is None
    found = status_of(store)
    assert found.counts["pending"] == 1
    (warning,) = found.warnings
    assert warning.startswith("records are damaged (the next sweep moves them to quarantine/ and runs them again): ")
    assert warning.endswith("small/default seed 3")
    assert any(LOST.run_id in damage.path for damage in store.verify())

    summary = store.compact()
    assert summary.pending == (LOST.run_id,)
    assert f"moved to quarantine/{LOST.run_id}-1, and run {LOST.run_id} is pending again" in summary.problems[0]
    finish(store)
    assert_clean(store, clean)


@pytest.mark.parametrize(
    "prefixes", [("record-",), ("run.parquet",), ("record-", "run.parquet"), ("",)], ids=lambda found: "+".join(found)
)
def test_a_record_that_was_deleted_after_compaction_comes_back_from_the_tables(
    store: Store, clean: dict[Kind, pd.DataFrame], prefixes: tuple[str, ...]
) -> None:
    store.compact()
    delete(store, *prefixes)

    assert any(LOST.run_id in damage.path for damage in store.verify())
    assert status_of(store).warnings == (
        "records of finished runs are lost (the next sweep restores those that the tables hold, and runs the others): "
        "small/default seed 3",
    )
    summary = store.compact()

    assert (summary.runs, summary.removed, summary.pending) == (NUM_RUNS, 0, ())
    assert "restored from the tables" in summary.problems[0]
    assert LOST.run_id in summary.problems[0]
    assert status_of(store).counts["completed"] == NUM_RUNS
    assert status_of(store).warnings == ()
    assert store.compact().problems == ()
    assert_clean(store, clean)


def test_a_deleted_folder_or_all_of_them_comes_back(store: Store, clean: dict[Kind, pd.DataFrame]) -> None:
    store.compact()
    shutil.rmtree(store.root.local_path / "runs")

    summary = store.compact()

    assert (summary.runs, summary.pending) == (NUM_RUNS, ())
    (problem,) = summary.problems
    assert all(f"small/default seed {seed} (" in problem for seed in range(NUM_RUNS))
    assert_clean(store, clean)


@pytest.mark.parametrize("prefix", ["epochs-", "predictions-"])
def test_a_deleted_part_comes_back_when_everything_is_checked(
    store: Store, clean: dict[Kind, pd.DataFrame], prefix: str
) -> None:
    store.compact()
    delete(store, prefix)

    assert len(store.verify()) == 1
    repaired, left = store.repair()
    assert ([damage.remedy for damage in repaired], left) == (["restored from the tables"], ())
    assert_clean(store, clean)


def test_what_a_killed_repair_had_set_aside_comes_back(store: Store, clean: dict[Kind, pd.DataFrame]) -> None:
    store.compact()
    folder, place = f"runs/{LOST.run_id}", f"quarantine/{LOST.run_id}-1"
    for name in store.folder(LOST.run_id).names():
        store.root.move(f"{folder}/{name}", f"{place}/{name}")

    assert "restored from the tables" in store.compact().problems[0]
    assert_clean(store, clean)


def test_the_thresholds_of_a_lost_record_come_back_too(tmp_path: Path) -> None:
    store, run = Store.open(tmp_path), make_run(1)
    thresholds = {"answer": 0.25}
    store.commit(run, replace(make_outcome(), thresholds=thresholds))
    store.compact()
    store.folder(run.run_id).delete(next(iter(store.folder(run.run_id).names("record-"))))

    assert len(store.compact().problems) == 1
    assert store.thresholds(run.run_id) == thresholds


def test_thresholds_that_nobody_wrote_down_are_missed_in_words(store: Store) -> None:
    store.compact()
    content = json.loads(store.root.read("manifest.json"))
    del content["content_sha256"]
    for entry in content["records"].values():  # as an earlier version wrote it
        del entry["decisions"]
    store.root.write("manifest.json", dump_checksummed(content))
    delete(store, "record-")

    restored, without = store.compact().problems
    assert "restored from the tables" in restored
    assert "lack the thresholds that their runs tuned, if they tuned any: small/default seed 3" in without


def _forget_whole(store: Store) -> None:
    store.forget(LOST.run_id)


def _forget_without_record(store: Store) -> None:
    delete(store, "record-", "run.parquet")
    store.forget(LOST.run_id)


def _forget_without_folder(store: Store) -> None:
    delete(store, "")
    shutil.rmtree(store.folder(LOST.run_id).local_path)
    store.forget(LOST.run_id)


@pytest.mark.parametrize("forget", [_forget_whole, _forget_without_record, _forget_without_folder])
def test_a_run_that_was_forgotten_stays_so_also_when_nothing_was_compacted_since(
    store: Store, forget: Callable[[Store], None]
) -> None:
    store.compact()
    forget(store)

    assert status_of(store).warnings == ()
    summary = store.compact()
    assert (summary.runs, summary.removed, summary.problems) == (NUM_RUNS - 1, 1, ())
    assert LOST.run_id not in store.recorded()
    with pytest.raises(UserError, match="no run"):
        store.forget(LOST.run_id)


def test_a_run_that_was_forgotten_once_and_ran_again_is_restored_like_any_other(
    store: Store, clean: dict[Kind, pd.DataFrame]
) -> None:
    store.compact()
    store.forget(LOST.run_id)
    store.compact()
    assert store.commit(LOST, make_outcome(0.03, num_words=3), attempt=2)
    store.compact()
    delete(store, "record-")

    assert "restored from the tables" in store.compact().problems[0]
    assert_clean(store, clean)


def test_where_the_tables_are_damaged_too_the_run_is_pending_and_that_is_said(
    store: Store, clean: dict[Kind, pd.DataFrame]
) -> None:
    store.compact()
    delete(store, "record-", "run.parquet")
    store.root.write("runs.parquet", b"damaged")

    summary = store.compact()
    assert summary.pending == (LOST.run_id,)
    assert f"no whole table holds it; they are pending again: run {LOST.run_id}" in summary.problems[-1]
    finish(store)
    assert_clean(store, clean)


def test_many_lost_records_are_one_line(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    fill(store, 12)
    store.compact()
    shutil.rmtree(tmp_path / "runs")

    (problem,) = store.compact().problems
    assert problem.endswith("; ... (12 in all)")
    assert len(store.recorded()) == 12


def test_a_single_run_and_a_sweep_restore_what_is_lost_and_execute_nothing(tmp_path: Path) -> None:
    experiment = resolved(tmp_path)
    store, runs = Store.open(tmp_path / "out"), resolve.grid_runs(experiment)
    check_fingerprint(store, experiment, accept=False)
    store.write_experiment(experiment.experiment.model_dump(mode="json"), [cell_columns(run) for run in runs])
    for run in runs:
        store.commit(run, make_outcome(run.config.seed / 10))
    store.compact()
    given = (str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out"))
    for command in (("run", *given, "--model", "tiny", "--seed", "1"), ("sweep", *given, "--no-analyze")):
        for name in store.folder(runs[0].run_id).names("record-"):
            store.folder(runs[0].run_id).delete(name)
        result = CliRunner().invoke(main, list(command))
        assert (result.exit_code, result.exception) == (0, None), result.stderr
        assert "recorded earlier" in result.stdout or "0 runs executed, 4 completed of 4 runs" in result.stdout
        assert store.verify() == ()
