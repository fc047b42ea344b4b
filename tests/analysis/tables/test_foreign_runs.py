"""Runs of other tools: what must not be pooled, how runs ended, seeds that are missing, and rows of single items."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.tables.foreign.table import Columns, Refused
from analysis.tables.read import read

RATES = "model,lr,seed,score\nbert,1e-05,0,0.9\nbert,0.00001,1,0.8\nbert,3e-4,2,0.7\nroberta,1e-5,0,0.6\n"


def written(folder: Path, text: str, name: str = "x.csv") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(text)
    return path


def test_two_settings_in_one_system_are_refused_until_a_person_says_what_they_are(tmp_path: Path) -> None:
    path = written(tmp_path, RATES)
    reason = r"system 'bert' has runs with different values of column 'lr' \(1e-05, 0.00001, 3e-4\).*"
    with pytest.raises(Refused, match=reason + "--system 'model,lr'.*--ignore 'lr'"):
        read([path])
    joined = read([path], columns=Columns(system=("model", "lr"))).runs["system"]
    assert joined.tolist() == ["bert/1e-05", "bert/0.00001", "bert/3e-4", "roberta/1e-5"]
    assert read([path], columns=Columns(ignore=("LR",))).runs["system"].tolist() == ["bert"] * 3 + ["roberta"]


def test_numbers_that_are_equal_are_one_setting(tmp_path: Path) -> None:
    text = "model,lr,seed,score\nbert,1e-05,0,0.9\nbert,0.00001,1,0.8\n"
    assert read([written(tmp_path, text)]).warnings == ()


@pytest.mark.parametrize("column", ["size", "benchmark", "optimizer", "prompt", "batch_size", "config.dropout", "what"])
def test_a_column_that_repeats_its_values_within_a_system_is_a_setting(tmp_path: Path, column: str) -> None:
    lines = [f"{system},{seed},{'xy'[seed % 2]},0.{seed + 1}" for system in "ab" for seed in range(6)]
    path = written(tmp_path, "\n".join([f"system,seed,{column},score", *lines, ""]))
    with pytest.raises(Refused, match=f"different values of column '{column}'"):
        read([path])


def test_settings_are_settings_even_if_every_run_has_its_own(tmp_path: Path) -> None:
    lines = [f"{system},{seed},{0.001 * (seed + 1) + (system == 'a') / 7},0.5" for system in "ab" for seed in range(6)]
    with pytest.raises(Refused, match="different values of column 'learning_rate'"):
        read([written(tmp_path, "\n".join(["system,seed,learning_rate,score", *lines, ""]))])


def test_measurements_and_bookkeeping_are_no_settings(tmp_path: Path) -> None:
    header = "system,seed,score,eval_loss,f1,runtime,Created,notes,run name,gpu,best_epoch,_step"
    lines = [f"a,{n},0.{n},0.3,0.{n % 2},{n % 2},2024,{n % 2},r{n % 2},{n % 2},{n % 2},{n % 2}" for n in range(1, 7)]
    assert read([written(tmp_path, "\n".join([header, *lines, ""]))]).warnings == ()


def test_an_unknown_column_with_a_value_for_every_run_is_named(tmp_path: Path) -> None:
    lines = [f"{system},{seed},{seed * 0.37 + (system == 'a')},0.5" for system in "ab" for seed in range(6)]
    results = read([written(tmp_path, "\n".join(["system,seed,what,score", *lines, ""]))])
    assert len(results.runs) == 12
    assert "column 'what' is taken for a measurement; if it is a setting: --system 'system,what'" in results.warnings[0]


@pytest.mark.parametrize(
    ("column", "remedy"),
    [
        (
            "benchmark",
            "call it 'dataset' to compare over data sets, keep the rows of one, or --system 'system,benchmark'",
        ),
        ("size", "keep the rows of one value, or --system 'system,size' if each is a system of its own"),
        ("epoch", "keep the rows of one value, or --system 'system,epoch'"),
        ("question", "if each row is the score of one item: --item 'question'"),
    ],
)
def test_rows_that_share_their_cell_name_the_column_that_distinguishes_them(
    tmp_path: Path, column: str, remedy: str
) -> None:
    lines = [f"{system},{seed},{value},0.5" for system in "ab" for seed in (1, 2) for value in ("x", "y")]
    path = written(tmp_path, "\n".join([f"system,seed,{column},score", *lines, ""]))
    reason = f"8 runs share their cell with another run, the first of them system a, seed 1; column '{column}'"
    with pytest.raises(Refused) as refused:
        read([path])
    assert reason in str(refused.value)
    assert remedy in str(refused.value)


def test_two_settings_of_one_system_in_two_files_are_refused_too(tmp_path: Path) -> None:
    first = written(tmp_path, "model,lr,seed,score\nbert,1e-5,0,0.9\nbert,0.00001,1,0.8\n", "a.csv")
    second = written(tmp_path, "model,lr,seed,score\nbert,3e-4,2,0.9\nroberta,3e-4,2,0.8\n", "b.csv")
    with pytest.raises(Refused, match=r"b\.csv: system 'bert' has lr 0\.0003, but 1e-05 in .*a\.csv.*--ignore 'lr'"):
        read([first, second])
    with pytest.raises(Refused, match=r"system 'bert' has lr 0\.0003, but 1e-05"):
        read([tmp_path])
    assert len(read([first, second], columns=Columns(ignore=("lr",))).runs) == 4
    assert len(read([first, second], columns=Columns(system=("model", "lr"))).runs) == 4


def test_a_run_in_two_files_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, "system,seed,score\na,1,0.5\n")
    with pytest.raises(ValueError, match=r"2 runs share their cell.*seed 1; leave the repeated runs out, or give"):
        read([path, path])


def test_rows_of_several_metrics_are_compared_by_one(tmp_path: Path) -> None:
    path = written(tmp_path, "system,seed,metric,value\na,1,f1,0.5\na,1,acc,0.6\nb,1,f1,0.4\nb,1,acc,0.3\n")
    with pytest.raises(Refused, match=r"several metrics \(acc, f1\); name one with --metric"):
        read([path])
    results = read([path], columns=Columns(metric="acc"))
    assert results.runs["score"].tolist() == [0.6, 0.3]
    assert any("only the rows of metric acc are read" in text for text in results.warnings)


def test_each_of_several_data_sets_may_have_a_metric_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "system,seed,dataset,metric,score\na,1,x,f1,0.5\na,1,y,mcc,0.6\n")
    assert read([path]).runs["metric"].tolist() == ["f1", "mcc"]


@pytest.mark.parametrize("column", ["status", "State", "STATUS"])
def test_how_a_run_ended_is_understood_in_other_words(tmp_path: Path, column: str) -> None:
    states = ["FINISHED", "crashed", "killed", "Running", "COMPLETE", ""]
    lines = [f"a,{seed},0.{seed + 1},{state}" for seed, state in enumerate(states)]
    results = read([written(tmp_path, "\n".join([f"system,seed,score,{column}", *lines, ""]))])
    assert results.runs["seed"].tolist() == [0, 1, 2, 4, 5]
    assert results.runs["status"].tolist() == ["completed", "failed", "failed", "completed", "completed"]
    assert results.runs["score"].isna().tolist() == [False, True, True, False, False]
    assert any("1 run has not ended (Running) and is left out: row 4" in text for text in results.warnings)
    assert any(
        "2 of 5 runs have no score and count as failures: a seed 1 (failed)" in text for text in results.warnings
    )


def test_states_that_nobody_knows_are_refused_and_runs_that_all_still_run_too(tmp_path: Path) -> None:
    path = written(tmp_path, "system,seed,score,status\na,1,0.5,finished\na,2,0.5,odd\n")
    with pytest.raises(Refused, match=r"row 2: status is not one of completed.*'odd'; correct it, or leave it empty"):
        read([path])
    path = written(tmp_path, "system,seed,score,status\na,1,0.5,running\n")
    with pytest.raises(Refused, match=r"none of its 1 runs has ended \(running\)"):
        read([path])
    path = written(tmp_path, "system,seed,score,state\na,1,0.5,Bavaria\nb,1,0.5,Hesse\n")  # another kind of state
    assert read([path]).runs["status"].tolist() == ["completed", "completed"]


def test_without_seeds_every_row_is_a_run_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "model,f1\na,0.5\na,0.6\nb,0.4\n")
    results = read([path])
    assert results.runs["seed"].tolist() == [f"row 1 of {path}", f"row 2 of {path}", f"row 3 of {path}"]
    other = written(tmp_path, "model,f1\nc,0.5\n", "y.csv")
    assert read([path, other]).runs["seed"].is_unique  # rows of two files are not paired either
    assert any("has no seed: every row counts as a run of its own" in text for text in results.warnings)


def test_folds_without_seeds_pair_the_runs(tmp_path: Path) -> None:
    runs = read([written(tmp_path, "model,fold,f1\na,0,0.5\na,1,0.6\nb,0,0.4\nb,1,0.3\n")]).runs
    assert (runs["seed"].tolist(), runs["fold"].tolist()) == ([1] * 4, [0, 1, 0, 1])


ITEMS = "model,seed,question_id,correct\n" + "".join(
    f"{model},{seed},q{item},{int(item <= seed + (model == 'a'))}\n"
    for model in "ab"
    for seed in (1, 2)
    for item in (1, 2, 3, 4)
)


def test_rows_of_items_become_runs_with_their_mean_and_keep_the_items(tmp_path: Path) -> None:
    results = read([written(tmp_path, ITEMS)])
    assert results.runs[["system", "seed", "score"]].to_numpy().tolist() == [
        ["a", 1, 0.5],
        ["a", 2, 0.75],
        ["b", 1, 0.25],
        ["b", 2, 0.5],
    ]
    first = results.predictions[results.predictions["run_id"] == results.runs["run_id"][0]]
    assert first["item"].tolist() == ["q1", "q2", "q3", "q4"]
    assert first["given_score"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert first["correct"].tolist() == [True, True, False, False]


def test_an_item_with_two_scores_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"row 1, 17: item 'q1' has more than one score in the run system a, seed 1"):
        read([written(tmp_path, ITEMS + "a,1,q1,1\n")])
    with pytest.raises(Refused, match="row 17: the score of an item is empty; write 0 for a wrong answer"):
        read([written(tmp_path, ITEMS + "a,1,q5,\n")])
    with pytest.raises(Refused, match="row 17: item is empty; name every item"):
        read([written(tmp_path, ITEMS + "a,1,,1\n")])
