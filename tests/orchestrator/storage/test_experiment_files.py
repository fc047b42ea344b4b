"""A results directory remembers which experiment and which data it belongs to, and never overwrites silently."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator.errors import CorruptResults
from orchestrator.storage import DataChanged, Store
from tests.orchestrator.storage.stores import EXPERIMENT, cells, fill, make_run


def test_the_experiment_and_its_cells_are_read_back(tmp_path: Path) -> None:
    store, runs = Store.open(tmp_path), [make_run(seed) for seed in range(3)]

    assert store.write_experiment(EXPERIMENT, cells(runs)) == ()
    assert store.experiment() == EXPERIMENT
    assert store.cells() == cells(runs)
    assert yaml.safe_load((tmp_path / "experiment.yaml").read_text())["train"]["learning_rate"] == 3e-05


def test_the_same_experiment_again_writes_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.write_experiment(EXPERIMENT, [])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    assert store.write_experiment(EXPERIMENT, []) == ()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_changed_experiment_says_what_changed_and_keeps_the_old_file(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    changed = {"experiment": "demo", "models": {"small": {}}, "train": {"learning_rate": 1e-05}, "seeds": [1, 2]}
    store.write_experiment(EXPERIMENT, [])

    assert store.write_experiment(changed, []) == (
        "models.large: {} -> (absent)",
        "train.learning_rate: 3e-05 -> 1e-05",
        "seeds: (absent) -> [1, 2]",
    )
    assert len(store.write_experiment(EXPERIMENT, [])) == 3
    assert yaml.safe_load((tmp_path / "experiment-1.yaml").read_text()) == EXPERIMENT
    assert yaml.safe_load((tmp_path / "experiment-2.yaml").read_text()) == changed
    assert store.experiment() == EXPERIMENT


def test_a_damaged_experiment_file_is_named_and_kept(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    (tmp_path / "experiment.yaml").write_bytes(b"\xff: [")

    with pytest.raises(CorruptResults, match="damaged"):
        store.experiment()
    assert store.write_experiment(EXPERIMENT, []) == ("the earlier experiment.yaml could not be read",)
    assert (tmp_path / "experiment-1.yaml").read_bytes() == b"\xff: ["
    assert store.experiment() == EXPERIMENT


def test_damaged_cells_are_an_error_until_the_next_sweep_writes_them(tmp_path: Path) -> None:
    store, runs = Store.open(tmp_path), [make_run()]
    store.write_experiment(EXPERIMENT, cells(runs))
    (tmp_path / "cells.json").write_text((tmp_path / "cells.json").read_text().replace('"seed": 0', '"seed": 1'))

    with pytest.raises(CorruptResults, match=r"cells\.json"):
        store.cells()
    store.write_experiment(EXPERIMENT, cells(runs))
    assert store.cells() == cells(runs)


def test_changed_data_is_refused_with_both_fingerprints_until_it_is_accepted(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.check_fingerprint("demo", "aaa")
    store.check_fingerprint("demo", "aaa")
    store.check_fingerprint("other", "ccc")

    with pytest.raises(DataChanged, match=r"demo.*aaa.*bbb.*--accept-new-data") as caught:
        store.check_fingerprint("demo", "bbb")
    assert caught.value.exit_code == 2
    store.check_fingerprint("demo", "bbb", accept=True)
    store.check_fingerprint("demo", "bbb")
    with pytest.raises(DataChanged):
        store.check_fingerprint("demo", "aaa")
    store.check_fingerprint("other", "ccc")


def test_damaged_fingerprints_are_taken_from_the_records(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    fill(store, 2)
    store.compact()
    store.check_fingerprint("demo-data", "f" * 64)
    (tmp_path / "datasets.json").write_text("{}")

    with pytest.raises(DataChanged):
        store.check_fingerprint("demo-data", "e" * 64)
    store.check_fingerprint("demo-data", "f" * 64)
    assert (tmp_path / "quarantine/datasets.json-1").read_text() == "{}"


def test_damaged_fingerprints_without_tables_have_to_be_accepted(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    (tmp_path / "datasets.json").write_text("")

    with pytest.raises(CorruptResults, match="--accept-new-data"):
        store.check_fingerprint("demo-data", "f" * 64)
    store.check_fingerprint("demo-data", "f" * 64, accept=True)
    store.check_fingerprint("demo-data", "f" * 64)
