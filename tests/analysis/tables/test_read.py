"""Reading results: directories, damaged ones, plain files; nothing is dropped without a word."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import yaml

from analysis.tables.attempts import Attempt, file_name
from analysis.tables.checksummed_json import dump_checksummed
from analysis.tables.read import read
from analysis.tables.schema import Corrupt
from tests.analysis.frames import csv, rows, write_compacted, write_run

SCORES = {"a": [0.8, 0.81], "b": [0.7, 0.72]}


def cells(folder: Path, listed: list[dict[str, object]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cells.json").write_text(json.dumps({"cells": listed, "content_sha256": "of this file"}))


def write_attempt(folder: Path, columns: dict[str, object], attempt: Attempt) -> None:
    path = folder / file_name(attempt.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dump_checksummed({**asdict(attempt), "run": columns}))


def test_a_compacted_directory_is_read_with_its_experiment(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows(SCORES))
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump({"experiment": "mine", "data": {"name": "x"}}))
    results = read([tmp_path])
    assert results.runs["score"].tolist() == [0.8, 0.81, 0.7, 0.72]
    assert results.experiment == {"experiment": "mine", "data": {"name": "x"}}
    assert (len(results.epochs), len(results.predictions)) == (4, 4)
    assert results.warnings == ()
    assert results.sources == (str(tmp_path),)


def test_without_compacted_tables_the_runs_own_files_are_read(tmp_path: Path) -> None:
    for row in rows(SCORES):
        write_run(tmp_path, row)
    results = read([tmp_path])
    assert sorted(results.runs["score"]) == [0.7, 0.72, 0.8, 0.81]
    assert (len(results.epochs), len(results.predictions)) == (4, 4)


@pytest.mark.parametrize("table", ["runs", "epochs", "predictions"])
def test_a_damaged_compacted_table_is_replaced_by_the_runs_own_files_with_a_warning(tmp_path: Path, table: str) -> None:
    for row in rows(SCORES):
        write_run(tmp_path, row)
    write_compacted(tmp_path, rows(SCORES))
    file = tmp_path / f"{table}.parquet"
    file.write_bytes(file.read_bytes()[:-9] + b"x" * 9)
    results = read([tmp_path])
    assert len(getattr(results, table)) == 4
    assert len(results.warnings) == 1
    assert f"{table}.parquet: its SHA-256 is not the recorded one" in results.warnings[0]


def test_a_damaged_table_that_nothing_can_replace_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows(SCORES))
    (tmp_path / "runs.parquet").write_bytes(b"gone")
    with pytest.raises(Corrupt, match=r"runs\.parquet cannot be used"):
        read([tmp_path])


def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    for row in rows(SCORES):
        write_run(tmp_path, row)
    (tmp_path / "runs" / "a-42" / "run.parquet").write_bytes(b"x")
    with pytest.raises(Corrupt, match=r"a-42.run\.parquet"):
        read([tmp_path])


def test_records_newer_than_the_compacted_table_are_read_too(tmp_path: Path) -> None:
    first, *newer = rows(SCORES)
    write_compacted(tmp_path, [first, {**newer[0], "status": "failed", "score": None}])
    for row in [first, *newer]:
        write_run(tmp_path, row)
    results = read([tmp_path])
    assert sorted(results.runs["score"]) == [0.7, 0.72, 0.8, 0.81]
    assert set(results.runs["status"]) == {"completed"}
    assert len(results.predictions) == 4


def test_a_record_that_was_moved_aside_since_the_compaction_does_not_count(tmp_path: Path) -> None:
    for row in rows(SCORES):
        write_run(tmp_path, row)
    write_compacted(tmp_path, rows(SCORES))
    shutil.move(tmp_path / "runs" / "b-43", tmp_path / "forgotten-b-43")
    results = read([tmp_path])
    assert sorted(results.runs["score"]) == [0.7, 0.8, 0.81]
    assert "1 rows of runs.parquet no longer have a record: b seed 43 (b-43)" in results.warnings[0]
    assert len(results.predictions) == 3


def test_a_table_that_a_killed_compaction_left_is_still_whole(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows(SCORES))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    before = {name: entry["sha256"] for name, entry in manifest["tables"].items()}
    manifest = {"tables": {name: {"sha256": "0" * 64} for name in before}, "previous": before}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert read([tmp_path]).warnings == ()


def test_only_cells_of_the_current_experiment_count_and_the_others_are_named(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows(SCORES))
    wanted = [{"run_id": "a-42", "system": "a", "seed": 42}, {"run_id": "a-44", "system": "a", "seed": 44}]
    cells(tmp_path, wanted)
    results = read([tmp_path])
    assert results.runs["run_id"].tolist() == ["a-42"]
    assert "3 records are not cells of the current experiment: a seed 43 (a-43); b seed 42" in results.warnings[0]
    assert "1 of 2 cells have not run yet: a seed 44" in results.warnings[1]
    assert set(results.predictions["run_id"]) == {"a-42"}


def test_the_adapt_stage_is_left_out_with_a_warning(tmp_path: Path) -> None:
    adapt = {**rows({"a": [0.1]}, first_seed=1)[0], "stage": "adapt"}
    write_compacted(tmp_path, [*rows(SCORES), adapt])
    results = read([tmp_path])
    assert len(results.runs) == 4
    assert "1 runs of stage adapt are not compared" in results.warnings[0]


def test_a_failed_attempt_without_a_record_is_a_failed_run(tmp_path: Path) -> None:
    write_run(tmp_path, rows({"a": [0.8]})[0])
    columns = {name: value for name, value in rows({"b": [0.7]})[0].items() if name not in ("status", "score")}
    write_attempt(tmp_path / "runs" / "b-42", columns, Attempt(1, message="out of memory"))
    write_attempt(tmp_path / "runs" / "b-42", columns, Attempt(2, message="out again"))
    results = read([tmp_path])
    failed = results.runs[results.runs["system"] == "b"].iloc[0]
    assert (failed["status"], failed["error"], failed["attempt"]) == ("failed", "out again", 2)
    assert "1 of 2 runs has no score and counts as a failure: b seed 42 (failed)" in results.warnings[0]


def test_a_directory_without_runs_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"neither runs\.parquet nor runs/"):
        read([tmp_path])
    cells(tmp_path, [{"run_id": "x"}])
    write_compacted(tmp_path, rows(SCORES))
    with pytest.raises(ValueError, match="no fine-tune run of the current experiment yet"):
        read([tmp_path])


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or directory"):
        read([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="nothing to read"):
        read([])


def test_two_settings_under_one_system_are_refused(tmp_path: Path) -> None:
    listed = rows(SCORES)
    listed[1]["settings_id"] = "other"
    write_compacted(tmp_path, listed)
    with pytest.raises(ValueError, match="system 'a' has runs with 2 different settings"):
        read([tmp_path])


def test_a_plain_csv_with_system_seed_and_score_is_enough(tmp_path: Path) -> None:
    results = read([csv(tmp_path / "with space & 'quote'.csv", SCORES)])
    assert results.runs["score"].tolist() == [0.8, 0.81, 0.7, 0.72]
    assert set(results.runs["status"]) == {"completed"}
    assert results.runs["fold"].isna().all()
    assert results.experiment is None
    assert results.predictions.empty
    assert "gold" in results.predictions.columns


def test_tsv_and_parquet_of_other_tools_are_read_alike(tmp_path: Path) -> None:
    table = pd.read_csv(csv(tmp_path / "x.csv", SCORES))
    table.to_csv(tmp_path / "x.tsv", sep="\t", index=False)
    table.to_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.tsv", "x.parquet"):
        assert read([tmp_path / name]).runs["score"].tolist() == [0.8, 0.81, 0.7, 0.72]


def test_a_byte_order_mark_and_spaces_after_commas_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfsystem, seed, score\na, 1, 0.5\n")
    assert read([tmp_path / "x.csv"]).runs["seed"].tolist() == [1]


def test_model_and_recipe_make_a_system_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("model,recipe,seed,score\nm,fast,1,0.5\nm,,1,0.4\nn,default,1,0.3\n")
    assert read([tmp_path / "x.csv"]).runs["system"].tolist() == ["m/fast", "m", "n"]


def test_missing_and_infinite_scores_are_failures_and_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("system,seed,score\na,1,0.5\na,2,\nb,1,nan\nb,2,inf\nb,3,N/A\n")
    results = read([tmp_path / "x.csv"])
    assert results.runs["status"].tolist() == ["completed", *["failed"] * 4]
    assert results.runs["score"].isna().sum() == 4
    assert "4 of 5 runs have no score and count as failures: a seed 2 (failed); b seed 1" in results.warnings[0]


def test_a_diverged_run_has_no_score_whatever_its_row_says(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("system,seed,score,status\na,1,0.5,completed\na,2,0.4,diverged\n")
    results = read([tmp_path / "x.csv"])
    assert results.runs["score"].isna().tolist() == [False, True]
    assert "a seed 2 (diverged)" in results.warnings[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("system,seed\na,1\n", "needs a column 'score'; it has: system, seed"),
        ("seed,score\n1,0.5\n", "needs a column 'system' or 'model'"),
        ("system,seed,score\na,1,high\n", "row 1: score is not a number"),
        ("system,seed,score\na,1,0.5\na,,0.5\n", "row 2: seed is empty"),
        ("system,seed,score\n,1,0.5\n", "row 1: system is empty"),
        ("system,seed,score,status\na,1,0.5,done\n", "row 1: status is not one of completed"),
        ("system,seed,score\n", "holds no runs"),
        ("", "x.csv"),
        (
            "system,seed,score\na,1,0.5\na,1,0.6\n",
            "2 runs share their cell with another run, the first of them system a",
        ),
        ("system,seed,score,dataset_fingerprint\na,1,0.5,x\na,2,0.6,y\n", r"2 contents of the data \(x, y\)"),
    ],
)
def test_a_file_that_cannot_be_compared_gets_one_clear_error(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=reason):
        read([tmp_path / "x.csv"])


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.docx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"nor one of \.csv.*; save the runs as CSV"):
        read([tmp_path / "x.docx"])


def test_text_seeds_and_several_sources_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("system,seed,score\na,first,0.5\na,second,0.6\n")
    results = read([tmp_path / "x.csv", csv(tmp_path / "y.csv", SCORES)])
    assert results.runs["seed"].tolist() == ["first", "second", 42, 43, 42, 43]
    assert len(results.sources) == 2


def test_one_run_in_two_sources_counts_once_and_a_record_beats_a_failure(tmp_path: Path) -> None:
    write_compacted(tmp_path / "one", rows({"a": [None, 0.81]}))
    write_compacted(tmp_path / "two", rows({"a": [0.80, 0.82]}))
    results = read([tmp_path / "one", tmp_path / "two"])
    assert sorted(results.runs["score"]) == [0.80, 0.81]
    assert "2 runs are in more than one source" in " ".join(results.warnings)
    assert "differ by at most 0.01" in " ".join(results.warnings)
    assert len(results.predictions) == 2


def test_mixed_versions_and_hardware_are_said(tmp_path: Path) -> None:
    listed = rows(SCORES, torch_version="2.13.0", hardware="CPU")
    listed[0]["torch_version"] = "2.12.0"
    write_compacted(tmp_path, listed)
    assert read([tmp_path]).warnings == ("runs mix torch version: 2.13.0 (3 runs), 2.12.0 (1 runs)",)


def test_mixed_versions_and_commits_of_the_code_are_said_and_unknown_ones_are_no_mixture(tmp_path: Path) -> None:
    listed = rows(SCORES, git_commit=None)
    listed[0] |= {"orchestrate_version": "0.1.0", "orchestrate_commit": "a" * 40, "git_commit": "c"}
    write_compacted(tmp_path / "once", listed)
    assert read([tmp_path / "once"]).warnings == ()
    listed[1] |= {"orchestrate_version": "0.2.0", "orchestrate_commit": "a" * 40, "git_commit": "c-dirty"}
    write_compacted(tmp_path / "twice", listed)
    assert read([tmp_path / "twice"]).warnings == (
        "runs mix orchestrate version: 0.1.0 (1 runs), 0.2.0 (1 runs)",
        "runs mix git commit: c (1 runs), c-dirty (1 runs)",
    )


def test_a_limited_data_set_is_stamped_as_not_real(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows(SCORES))
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump({"data": {"name": "x", "limit": 40}}))
    assert "not a real result: only the first 40 items were used" in read([tmp_path]).warnings[0]


@pytest.mark.parametrize(
    ("name", "text"), [("experiment.yaml", "- 1\n- 2\n"), ("experiment.yaml", "a: [1"), ("cells.json", "{")]
)
def test_a_damaged_experiment_or_cell_list_is_named(tmp_path: Path, name: str, text: str) -> None:
    write_compacted(tmp_path, rows(SCORES))
    (tmp_path / name).write_text(text)
    with pytest.raises(Corrupt, match=name):
        read([tmp_path])


def test_results_behind_a_uri_are_read(tmp_path: Path) -> None:
    write_compacted(tmp_path / "results", rows(SCORES))
    assert len(read([(tmp_path / "results").as_uri()]).runs) == 4
