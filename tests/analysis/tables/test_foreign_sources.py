"""What other programs write is recognised, and said: exports, wide tables, workbooks, JSON, logs and folders."""

from __future__ import annotations

import builtins
import datetime
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from analysis.tables.foreign.table import Columns, Refused
from analysis.tables.read import Results, read


def written(folder: Path, name: str, text: str) -> Path:
    """A file with this text."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def runs_of(results: Results) -> list[list[Any]]:
    """System, seed and score of each run."""
    rows: list[list[Any]] = results.runs[["system", "seed", "score"]].to_numpy().tolist()
    return rows


FOUR = [["a", 1, 0.5], ["a", 2, 0.6], ["b", 1, 0.4], ["b", 2, 0.3]]
WANDB = (
    '"Name","State","Created","Runtime","model_name","lr","seed","eval/f1","train/loss"\n'
    '"a-1","finished","2024","10","a","3e-05","1","0.5","0.1"\n"a-2","finished","2024","11","a","3e-05","2","0.6","0.2"\n'
    '"b-1","finished","2024","12","b","3e-05","1","0.4","0.1"\n"b-2","crashed","2024","13","b","3e-05","2","0.3","0.2"\n'
)
MLFLOW = (
    "run_id,experiment_id,status,start_time,metrics.f1,params.model,params.lr,params.seed,tags.mlflow.runName\n"
    "0a,1,FINISHED,2024,0.5,a,1e-5,1,x\n0b,1,FINISHED,2024,0.6,a,1e-5,2,y\n"
    "0c,1,FINISHED,2024,0.4,b,1e-5,1,z\n0d,1,KILLED,2024,0.3,b,1e-5,2,z\n"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WANDB, "read as a W&B export: system = model_name, seed = seed, score = eval/f1"),
        (MLFLOW, "read as an MLflow export: system = params.model, seed = params.seed, score = metrics.f1"),
    ],
)
def test_exports_are_recognised_and_a_crashed_run_has_no_score(tmp_path: Path, text: str, said: str) -> None:
    results = read([written(tmp_path, "x.csv", text)])
    assert any(said in warning for warning in results.warnings)
    assert runs_of(results)[:3] == FOUR[:3]
    assert (results.runs["status"][3], results.runs["score"].isna().tolist()) == ("failed", [False] * 3 + [True])


def test_a_parameter_that_differs_is_refused_even_if_every_run_has_its_own(tmp_path: Path) -> None:
    text = MLFLOW.replace("a,1e-5,1", "a,1.1e-5,1").replace("b,1e-5,2", "b,1.3e-5,2")
    with pytest.raises(Refused, match=r"different values of column 'params\.lr' \(1\.1e-5, 1e-5\)"):
        read([written(tmp_path, "x.csv", text)])


def test_trials_of_optuna_are_read_and_pruned_ones_stay_pruned(tmp_path: Path) -> None:
    text = ",number,value,datetime_start,params_lr,params_model,state\n0,0,0.5,2024,1e-5,a,COMPLETE\n"
    text += (
        "1,1,0.6,2024,1e-5,b,COMPLETE\n2,2,,2024,1e-5,a,FAIL\n3,3,0.1,2024,1e-5,b,PRUNED\n4,4,,2024,1e-5,b,RUNNING\n"
    )
    results = read([written(tmp_path, "x.csv", text)])
    assert results.runs["status"].tolist() == ["completed", "completed", "failed", "pruned"]
    assert any("read as Optuna trials: system = params_model, score = value" in text for text in results.warnings)
    assert any("a search tries good settings more often" in text for text in results.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "seed,a,b\n1,0.5,0.4\n2,0.6,0.3\n",
        "a,b\n0.5,0.4\n0.6,0.3\n",
        "model,1,2\na,0.5,0.6\nb,0.4,0.3\n",
        "system;seed_1;seed_2\na;0,5;0,6\nb;0,4;0,3\n",
    ],
)
def test_wide_tables_become_runs(tmp_path: Path, text: str) -> None:
    results = read([written(tmp_path, "x.csv", text)])
    seeds = {"seed_1": 1, "seed_2": 2}
    rows = sorted([system, seeds.get(seed, seed), score] for system, seed, score in runs_of(results))
    assert rows == FOUR
    assert any("read as a wide table" in warning for warning in results.warnings)


def test_a_wide_table_of_data_sets_is_compared_over_them(tmp_path: Path) -> None:
    runs = read([written(tmp_path, "x.csv", "dataset,a,b\nsst2,0.5,0.4\nmnli,0.6,0.3\n")]).runs
    assert runs[["system", "dataset", "score"]].to_numpy().tolist() == [
        ["a", "sst2", 0.5],
        ["a", "mnli", 0.6],
        ["b", "sst2", 0.4],
        ["b", "mnli", 0.3],
    ]


def test_columns_of_metrics_are_not_taken_for_systems(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="needs a column 'system' or 'model'"):
        read([written(tmp_path, "x.csv", "seed,f1,accuracy\n1,0.5,0.6\n2,0.4,0.5\n")])


def test_one_file_a_model_is_named_by_its_file(tmp_path: Path) -> None:
    files = [
        written(tmp_path / "f", f"{s}.csv", f"seed,f1\n1,{one}\n2,{two}\n")
        for s, one, two in (("a", 0.5, 0.6), ("b", 0.4, 0.3))
    ]
    assert runs_of(read(files)) == FOUR
    assert runs_of(read([tmp_path / "f"])) == FOUR
    same = [
        written(tmp_path / s, "scores.csv", f"seed,f1\n1,{one}\n2,{two}\n")
        for s, one, two in (("a", 0.5, 0.6), ("b", 0.4, 0.3))
    ]
    assert read(same).runs["system"].tolist() == ["a/scores"] * 2 + ["b/scores"] * 2
    with pytest.raises(Refused, match="needs a column 'system' or 'model'"):
        read(files[:1])


def workbook(path: Path, sheets: Mapping[str, list[list[Any]]]) -> Path:
    """An Excel file with these sheets."""
    file = openpyxl.Workbook()
    file.remove(file.active)
    for name, rows in sheets.items():
        sheet = file.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file.save(path)
    return path


def test_a_sheet_of_excel_is_read_as_it_is_typed(tmp_path: Path) -> None:
    day = datetime.date(2024, 1, 1)
    rows: list[list[Any]] = [["System", "Seed", "Score", "date"], ["01", 1, 0.5, day], [1, 1.0, 1 / 3, day], [None] * 4]
    results = read([workbook(tmp_path / "x.xlsx", {"runs": rows, "empty": []})])
    assert runs_of(results) == [["01", 1, 0.5], ["1", 1, 1 / 3]]


def test_sheets_with_one_header_are_read_together_and_others_refused(tmp_path: Path) -> None:
    own = {"a": [["seed", "f1"], [1, 0.5], [2, 0.6]], "b": [["seed", "f1"], [1, 0.4], [2, 0.3]]}
    assert runs_of(read([workbook(tmp_path / "x.xlsx", own)])) == FOUR
    own["c"] = [["seed", "what"], [1, 0.5]]
    with pytest.raises(Refused, match=r"has sheets with different columns \(a, b, c\); keep the one with the runs"):
        read([workbook(tmp_path / "x.xlsx", own)])
    with pytest.raises(Refused, match="every sheet is empty"):
        read([workbook(tmp_path / "x.xlsx", {"a": []})])


def test_a_formula_without_its_result_is_refused(tmp_path: Path) -> None:
    rows = [["system", "seed", "score"], ["a", 1, "=1/2"]]
    with pytest.raises(Refused, match="row 2 has a formula whose result was not saved; open the file in a spreadsheet"):
        read([workbook(tmp_path / "x.xlsx", {"runs": rows})])


def test_without_openpyxl_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "x.xlsx", {"a": [["system", "seed", "score"], ["a", 1, 0.5]]})
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Refused, match="which is not installed; save the sheet as CSV, or: pip install openpyxl"):
        read([path])


def test_records_in_json_are_read_and_inner_objects_flattened(tmp_path: Path) -> None:
    records = [{"config": {"model": s, "seed": k}, "summary": {"f1": v}} for s, k, v in FOUR]
    lines = "\n".join(json.dumps(record) for record in records)
    assert runs_of(read([written(tmp_path, "x.jsonl", lines)])) == FOUR
    assert runs_of(read([written(tmp_path, "x.json", json.dumps(records))])) == FOUR
    columns = {"system": [s for s, _, _ in FOUR], "seed": [k for _, k, _ in FOUR], "score": [v for _, _, v in FOUR]}
    assert runs_of(read([written(tmp_path, "x.json", json.dumps(columns))])) == FOUR
    by_row = {name: {str(row): value for row, value in enumerate(own)} for name, own in columns.items()}
    assert runs_of(read([written(tmp_path, "x.json", json.dumps(by_row))])) == FOUR
    lists = {"a": [0.5, 0.6], "b": [0.4, 0.3]}
    assert runs_of(read([written(tmp_path, "x.json", json.dumps(lists))])) == FOUR
    with pytest.raises(Refused, match="line 2 is not JSON"):
        read([written(tmp_path, "x.jsonl", '{"system": "a"}\n{"system": \n')])
    with pytest.raises(Refused, match="is not a list of runs: write one JSON object for each run"):
        read([written(tmp_path, "x.json", '{"a": 1}')])


def lm_eval(folder: Path, model: str, seed: int, right: list[int], *, samples: bool = True) -> None:
    """The two files of one run of lm-eval."""
    own, date = folder / model.replace("/", "__"), f"2024-05-0{seed}T10-00-00.000001"
    score = sum(right) / len(right)
    results = {
        "results": {"arc": {"alias": "arc", "acc,none": score, "acc_stderr,none": 0.1}, "group": {"acc,none": 0.0}},
        "configs": {"arc": {"task": "arc"}},
        "config": {"model": "hf", "model_args": f"pretrained={model}", "random_seed": seed},
        "n-shot": {"arc": 5},
        "model_name": model,
    }
    written(own, f"results_{date}.json", json.dumps(results))
    lines = [
        {
            "doc_id": n,
            "doc": {},
            "target": "A",
            "filtered_resps": ["A"],
            "filter": "none",
            "metrics": ["acc"],
            "acc": one,
        }
        for n, one in enumerate(right)
    ]
    if samples:
        written(own, f"samples_arc_{date}.jsonl", "\n".join(map(json.dumps, lines)))


ANSWERS = {
    ("org/a", 1): [1, 1, 0, 1],
    ("org/a", 2): [1, 1, 1, 1],
    ("org/b", 1): [0, 1, 0, 0],
    ("org/b", 2): [0, 1, 0, 1],
}
MEANS = [["org/a", 1, 0.75], ["org/a", 2, 1.0], ["org/b", 1, 0.25], ["org/b", 2, 0.5]]


@pytest.mark.parametrize("samples", [True, False])
def test_results_of_lm_eval_are_read_with_their_samples(tmp_path: Path, samples: bool) -> None:
    for (model, seed), right in ANSWERS.items():
        lm_eval(tmp_path, model, seed, right, samples=samples)
    results = read([tmp_path])
    assert sorted(runs_of(results)) == MEANS
    assert set(results.runs["metric"]) == {"acc"}
    assert set(results.runs["dataset"]) == {"arc"}
    assert len(results.predictions) == (16 if samples else 0)
    assert any(f"read as lm-eval {'samples' if samples else 'results'} (4 files)" in text for text in results.warnings)


def test_one_samples_file_takes_its_model_from_the_results_beside_it(tmp_path: Path) -> None:
    lm_eval(tmp_path, "org/a", 2, [1, 0])
    path = next(tmp_path.rglob("samples_*.jsonl"))
    assert runs_of(read([path])) == [["org/a", 2, 0.5]]
    next(tmp_path.rglob("results_*.json")).unlink()
    assert runs_of(read([path])) == [["org/a", 0, 0.5]]  # by the folder, with the seed that lm-eval takes by default


def test_samples_with_two_metrics_need_a_choice(tmp_path: Path) -> None:
    line = {"doc_id": 0, "resps": [], "filter": "none", "metrics": ["acc", "acc_norm"], "acc": 1, "acc_norm": 0}
    path = written(tmp_path / "org__a", "samples_arc_2024-05-01T10-00-00.1.jsonl", json.dumps(line))
    with pytest.raises(Refused, match=r"several metrics \(acc, acc_norm\); name one with --metric"):
        read([path])
    assert runs_of(read([path], columns=Columns(metric="acc_norm"))) == [["org/a", 0, 0.0]]


def log(model: str, grades: list[list[str]], status: str = "success") -> dict[str, Any]:
    """A log of Inspect: the grades of each epoch."""
    samples = [
        {"id": f"q{n}", "epoch": epoch, "scores": {"match": {"value": grade}}}
        for epoch, own in enumerate(grades, start=1)
        for n, grade in enumerate(own)
    ]
    return {
        "version": 2,
        "status": status,
        "eval": {"task": "t", "model": model, "created": "2024"},
        "samples": samples,
    }


def test_logs_of_inspect_are_read_by_epoch_and_sample(tmp_path: Path) -> None:
    written(tmp_path, "a.json", json.dumps(log("m/a", [["C", "I"], ["C", "C"]])))
    other = log("m/b", [["I", "P"], ["I", "N"]])
    with zipfile.ZipFile(tmp_path / "b.eval", "w") as archive:
        archive.writestr("header.json", json.dumps({k: v for k, v in other.items() if k != "samples"}))
        for number, sample in enumerate(other["samples"]):
            archive.writestr(f"samples/{number}.json", json.dumps(sample))
    results = read([tmp_path])
    assert sorted(runs_of(results)) == [["m/a", 1, 0.5], ["m/a", 2, 1.0], ["m/b", 1, 0.25], ["m/b", 2, 0.0]]
    assert len(results.predictions) == 8
    assert runs_of(read([tmp_path / "b.eval"])) == [["m/b", 1, 0.25], ["m/b", 2, 0.0]]


def test_a_log_that_ended_badly_has_no_score_and_repeated_logs_are_counted_on(tmp_path: Path) -> None:
    written(tmp_path, "1.json", json.dumps(log("m/a", [["C", "I"]])))
    written(tmp_path, "2.json", json.dumps(log("m/a", [["C", "C"]])))
    written(tmp_path, "3.json", json.dumps(log("m/a", [["C", "C"]], status="error")))
    runs = read([tmp_path]).runs
    assert (runs["seed"].tolist(), runs["status"].tolist()) == ([1, 2, 3], ["completed", "completed", "failed"])
    with pytest.raises(Refused, match=r"cannot be read as an Inspect log.*inspect log convert"):
        read([written(tmp_path, "x.eval", "no archive")])


@pytest.mark.parametrize(
    "name", ["{system}-seed{seed}", "{system}/seed_{seed}", "{system}/{seed}", "run/{system}_s{seed}"]
)
@pytest.mark.parametrize("file", ["all_results.json", "trainer_state.json", "checkpoint-20/trainer_state.json"])
def test_folders_of_the_trainer_are_named_by_their_path(tmp_path: Path, name: str, file: str) -> None:
    for system, seed, score in FOUR:
        result: dict[str, Any] = {
            "epoch": 3.0,
            "eval_f1": score,
            "eval_loss": 0.1,
            "eval_runtime": 1.0,
            "train_loss": 1.0,
        }
        state = {"best_metric": 0.99, "log_history": [{"loss": 1.0}, {"eval_f1": 0.99}, result, {"train_runtime": 3}]}
        written(
            tmp_path,
            f"{name.format(system=system, seed=seed)}/{file}",
            json.dumps(state if "state" in file else result),
        )
    results = read([tmp_path])
    assert [[system.removeprefix("run/"), seed, score] for system, seed, score in sorted(runs_of(results))] == FOUR
    assert set(results.runs["metric"]) == {"eval_f1"}
    assert "systems and seeds are read from the names of 4 folders" in " ".join(results.warnings)


def test_a_folder_with_runs_in_it_need_not_be_ours(tmp_path: Path) -> None:
    for system, seed, score in FOUR:
        written(tmp_path, f"runs/{system}-seed{seed}/all_results.json", json.dumps({"eval_f1": score}))
    assert [score for _, _, score in sorted(runs_of(read([tmp_path])))] == [0.5, 0.6, 0.4, 0.3]
    (tmp_path / "cells.json").write_text('{"cells": []}')
    with pytest.raises(ValueError, match="has no fine-tune run of the current experiment yet"):
        read([tmp_path])


def test_a_folder_without_a_seed_in_its_name_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "bert/all_results.json", '{"eval_f1": 0.5}')
    with pytest.raises(Refused, match="the folder 'bert' does not say its seed; call the folders system-seed1"):
        read([tmp_path])


def test_what_an_analysis_wrote_into_the_folder_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, "a.csv", "seed,f1\n1,0.5\n2,0.6\n")
    written(tmp_path, "b.csv", "seed,f1\n1,0.4\n2,0.3\n")
    written(tmp_path, "analysis/report.html", "")
    written(tmp_path, "analysis/all_results.json", "{}")
    assert runs_of(read([tmp_path])) == FOUR
