"""The table of trials: what is written is read, whole or refused; and directories that hold a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from analysis.tables.folder import Folder
from analysis.tables.read import read
from analysis.tables.schema import Corrupt, to_parquet_bytes
from analysis.tables.trials import parameters_of, read_trials, trials_table
from tests.analysis import searches, study
from tests.analysis.frames import csv, rows

ROW: dict[str, Any] = {
    "search": "block", "trial": 1, "run_id": "a", "system": "s", "model": "s", "recipe": "default", "seed": 0,
    "proposed_by": "default", "parameters": {"train.learning_rate": 3e-5, "train.schedule": "linear"},
    "status": "completed", "score": 0.5, "best_score": 0.5, "epochs": 3, "seconds": 1.5,
}  # fmt: skip


def write(folder: Path, *changes: dict[str, Any]) -> Path:
    (folder / "trials.parquet").write_bytes(to_parquet_bytes(trials_table([ROW | change for change in changes])))
    return folder / "trials.parquet"


def test_trials_come_back_with_a_column_for_every_parameter(tmp_path: Path) -> None:
    later = {"trial": 2, "run_id": "b", "parameters": '{"train.learning_rate": 1, "recipes.x.on": true}'}
    write(tmp_path, {}, later | {"score": float("nan")})
    found = read_trials(Folder.at(tmp_path))
    assert found["trial"].tolist() == [1, 2]
    assert parameters_of(found) == ["recipes.x.on", "train.learning_rate", "train.schedule"]
    assert found["parameter_train.learning_rate"].tolist() == [3e-5, 1.0]
    assert found["parameter_recipes.x.on"].fillna("-").tolist() == ["-", "true"]
    assert found["score"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "stopped"}, "status of trial 1 is 'stopped', not one of completed"),
        ({"proposed_by": "me"}, "proposed_by of trial 1 is 'me'"),
        ({"parameters": 3}, "parameters of trial 1 are not a mapping"),
        ({"colour": "red"}, "column colour is not one of trials"),
        ({"run_id": None}, "column run_id has 1 empty values"),
    ],
)
def test_a_row_that_is_no_trial_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        trials_table([ROW | change])


def test_no_damaged_byte_changes_a_trial_unseen(tmp_path: Path) -> None:
    file = write(tmp_path, {}, {"trial": 2, "run_id": "b"})
    whole, data = read_trials(Folder.at(tmp_path)), file.read_bytes()
    refused = 0
    for position in range(0, len(data), 61):
        file.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        try:
            assert read_trials(Folder.at(tmp_path)).equals(whole)
        except Corrupt as error:
            refused += str(file) in str(error)
    assert refused > 50


def test_a_table_of_other_columns_under_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trials.parquet").write_bytes(to_parquet_bytes(pa.table({"trial": [1]})))
    with pytest.raises(Corrupt, match="it is not a trials table"):
        read_trials(Folder.at(tmp_path))


def test_trials_beside_a_sweep_are_read_and_never_compared(tmp_path: Path) -> None:
    folder = searches.write(tmp_path, study.THREE, rows({"roberta-base": [0.8, 0.81]}))
    found = read([folder])
    assert found.runs["system"].tolist() == ["roberta-base"] * 2
    assert set(found.epochs["run_id"]) == set(found.runs["run_id"])
    assert len(found.trials) == 36
    assert set(found.trials["metric"].dropna()) == {"weighted_f1"}
    assert set(found.trial_epochs["run_id"]) < set(found.trials["run_id"])
    assert found.warnings == ()


def test_runs_of_an_earlier_search_are_named(tmp_path: Path) -> None:
    earlier = {**rows({"roberta-base": [0.7]})[0], "run_id": "earlier", "stage": "search"}
    folder = searches.write(tmp_path, study.THREE, [*rows({"roberta-base": [0.8]}), earlier])
    assert [text for text in read([folder]).warnings if "1 runs of stage search are not compared" in text]


def test_a_directory_of_trials_alone_has_no_run_to_compare(tmp_path: Path) -> None:
    found = read([searches.write(tmp_path, study.THREE)])
    assert (len(found.runs), len(found.epochs), len(found.trials)) == (0, 0, 36)
    assert {"system", "seed", "score", "status"} <= set(found.runs.columns)


def test_the_searches_of_two_sources_are_not_mixed(tmp_path: Path) -> None:
    first, second = (searches.write(tmp_path / name, study.THREE) for name in "ab")
    found = read([first, second, csv(tmp_path / "x.csv", {"other": [0.5, 0.6]})])
    assert found.trials.empty
    assert any("cannot be shown together; analyse each of them alone" in text for text in found.warnings)
    one = read([csv(tmp_path / "x.csv", {"other": [0.5, 0.6]}), first])
    assert (len(one.trials), one.runs["system"].unique().tolist()) == (36, ["other"])
