"""`orchestrate search` from the file to the comparison of winners, and every way to ask for the impossible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result

from orchestrator.config.load import load
from orchestrator.config.resolve import resolve
from orchestrator.errors import InvalidExperiment
from orchestrator.storage import Store
from tests.orchestrator.cli.test_verbs import document, invoke
from tests.orchestrator.experiments import write_experiment

PARAMETERS: dict[str, Any] = {
    "train.learning_rate": {"loguniform": [1e-4, 1e-2]},
    "train.batch_size": {"choice": [4, 8]},
    "recipes.cheap.lora.rank": {"integer": [2, 4]},
    "train.weight_decay": {"uniform": [0.0, 0.1], "models": ["slow"]},
}
SEARCH = {"parameters": PARAMETERS, "trials": 3, "searcher": "random"}


def search(path: Path, out: Path, *more: str) -> Result:
    return invoke("search", str(path), "--in-process", "--out", str(out), *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment whose search has been done, under `out`."""
    folder = tmp_path_factory.mktemp("a search")
    parameters = {key: found for key, found in PARAMETERS.items() if not key.startswith("recipes")}
    path = write_experiment(folder, search={**SEARCH, "parameters": parameters}, train={"epochs": 2, "batch_size": 4})
    result = search(path, folder / "out", "--no-analyze")
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    return folder


def test_a_search_ends_with_the_best_settings_and_the_command_that_compares_them(folder: Path) -> None:
    result = search(folder / "tiny.yaml", folder / "out", "--no-analyze")
    assert result.exit_code == 0
    assert "tiny: 3 trials (" in result.stdout
    assert "best: weighted_f1 0." in result.stdout
    assert "train.learning_rate = " in result.stdout
    assert "0 runs executed" in result.stdout, "a search that is done is free"
    assert result.stdout.rstrip().endswith("--then-sweep")


def test_every_trial_is_a_row_with_its_settings_and_a_parameter_is_kept_to_its_models(folder: Path) -> None:
    trials = pd.read_parquet(folder / "out" / "trials.parquet")
    assert trials.groupby("system").size().to_dict() == {"tiny": 3, "slow": 3}
    assert list(trials[trials["trial"] == 1]["proposed_by"]) == ["default", "default"]
    assert trials[trials["system"] == "tiny"]["parameter_train.weight_decay"].isna().all()
    assert trials[trials["system"] == "slow"]["parameter_train.weight_decay"].notna().all()
    runs = pd.read_parquet(folder / "out" / "runs.parquet")
    assert set(runs["stage"]) == {"search"}
    assert set(runs["run_id"]) == set(trials["run_id"])


def test_status_shows_trials_and_how_many_reached_each_rung(folder: Path) -> None:
    result = invoke("status", str(folder / "out"))
    assert result.exit_code == 0
    assert result.stdout.split("\n")[1].split() == ["search", "trials", *_states(folder), "epoch", "1"]
    found = document(invoke("status", str(folder / "out"), "--json"))
    assert [(row["system"], row["trials"], row["rungs"]) for row in found["search"]] == [
        ("tiny", 3, {"1": 3}),
        ("slow", 3, {"1": 3}),
    ]
    assert found["others"] == 0


def _states(folder: Path) -> list[str]:
    return list(
        dict.fromkeys(
            pd.read_parquet(folder / "out" / "trials.parquet").sort_values("system", ascending=False)["status"]
        )
    )


def test_a_larger_budget_goes_on_and_winners_are_compared_with_fresh_seeds(folder: Path) -> None:
    result = search(
        folder / "tiny.yaml", folder / "out", "--set", "search.trials=4", "--then-sweep", "--no-analyze", "--json"
    )
    found = document(result)
    assert result.exit_code == found["exit_code"] == 0, result.stderr
    assert [sum(row["trials"].values()) for row in found["search"]] == [4, 4]
    assert found["status"]["counts"]["completed"] + found["status"]["counts"]["collapsed"] == 4
    runs = pd.read_parquet(folder / "out" / "runs.parquet").set_index("run_id")
    assert runs["stage"].value_counts().to_dict() == {"search": 8, "fine-tune": 4}
    assert set(runs[runs["stage"] == "fine-tune"]["seed"]) == {1, 2}
    for row in found["search"]:
        trials = runs[(runs["stage"] == "search") & (runs["system"] == row["system"])]
        assert runs.loc[row["best"]["run_id"], "score"] == row["best"]["score"] == trials["score"].max()
        winners = runs[(runs["stage"] == "fine-tune") & (runs["system"] == row["system"])]
        assert winners["settings_id"].nunique() == 1
    cells = {cell["winner_of"] for cell in Store.open(folder / "out").cells()}
    assert cells == {row["best"]["run_id"] for row in found["search"]}


def test_what_would_be_tried_can_be_seen_without_trying(tmp_path: Path) -> None:
    path = write_experiment(
        tmp_path, search=SEARCH, recipes={"default": {}, "cheap": {"lora": {}}}, train={"epochs": 9}
    )
    result = invoke("search", str(path), "--dry-run")
    assert result.exit_code == 0
    assert "tiny: 3 trials of at most 9 epochs" in result.stdout
    assert "tiny/cheap: 3 trials" in result.stdout
    assert "recipes.cheap.lora.rank: integer 2 to 4; the file has 16" in result.stdout
    assert "train.batch_size: one of 4, 8; the file has 16" in result.stdout
    planned = document(invoke("search", str(path), "--dry-run", "--json"))
    assert "evaluation items are also training items" in planned["warnings"][0]
    assert planned["data"]["duplicates"] == 6
    strict = invoke("search", str(path), "--dry-run", "--strict")
    assert (strict.exit_code, "(--strict)" in strict.stderr) == (2, True)
    assert [(row["system"], row["rungs"], len(row["parameters"])) for row in planned["systems"]] == [
        ("tiny", [1, 3], 2),
        ("slow", [1, 3], 3),
        ("tiny/cheap", [1, 3], 3),
        ("slow/cheap", [1, 3], 4),
    ]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trials": 0}, "search.trials: must be at least 1, got 0"),
        ({"hours": 0.0}, "search.hours: must be greater than 0"),
        (
            {"scheduler": "ashe"},
            "search.scheduler: unknown scheduler 'ashe'; did you mean 'asha'?",
        ),
        ({"searcher": "bayes"}, "search.searcher: unknown searcher 'bayes'; known: grid, random, tpe"),
        ({"metric": "weighted_f2"}, "unknown metric 'weighted_f2'; did you mean 'weighted_f1'?"),
        ({"reduction_factor": 1}, "search.reduction_factor: must be at least 2"),
        ({"parameters": {}}, "search.parameters"),
        ({"searcher": "grid"}, "a grid needs choices or integers; train.learning_rate has infinitely many values"),
    ],
)
def test_a_search_that_cannot_be_is_refused_with_its_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    parameters = {"train.learning_rate": {"loguniform": [1e-5, 1e-3]}}
    with pytest.raises(InvalidExperiment) as error:
        resolve(load(str(write_experiment(tmp_path, search={"parameters": parameters, "trials": 2, **change}))))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("key", "distribution", "said"),
    [
        ("train.learning_rate", {"uniform": [0.1, 0.1]}, "the range is empty"),
        ("train.learning_rate", {"loguniform": [0.0, 0.1]}, "must be greater than 0 (their logarithm is taken), got 0"),
        ("train.learning_rate", {"uniform": [-1.0, 0.1]}, "-1.0 is not a valid value"),
        ("train.learning_rate", {}, "needs exactly one of uniform, loguniform, integer, choice, got none"),
        ("train.epochs", {"integer": [1, 2], "choice": [1, 2]}, "got integer and choice"),
        ("train.batch_size", {"choice": [8]}, "at least two values"),
        ("train.batch_size", {"choice": [8, 8]}, "names 8 more than once"),
        ("train.batch_size", {"uniform": [8, 16.5]}, "16.5 is not a valid value"),
        ("train.learning_rat", {"uniform": [0.1, 0.2]}, "did you mean 'train.learning_rate'?"),
        ("optimizer.name", {"choice": ["a", "b"]}, "must begin with train., task_options., recipes."),
        ("recipes.default.lora.rank", {"integer": [2, 4]}, "no system has the setting"),
        ("train.learning_rate", {"uniform": [0.1, 0.2], "models": ["tinny"]}, "did you mean 'tiny'?"),
    ],
)
def test_a_parameter_that_cannot_be_varied_so_is_refused_with_its_line(
    tmp_path: Path, key: str, distribution: dict[str, Any], said: str
) -> None:
    path = write_experiment(tmp_path, search={"parameters": {key: distribution}, "trials": 2})
    result = invoke("search", str(path), "--dry-run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert f"search.parameters.{key}" in result.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "tiny has no `search` part"),
        ({"search": {**SEARCH, "parameters": {"train.epochs": {"integer": [1, 2]}}, "seed": 1}}, "search.seed is 1"),
    ],
)
def test_what_the_command_needs_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    result = search(write_experiment(tmp_path, **changes), tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_search_block_changes_no_run_of_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cells(**changes: Any) -> list[str]:
        found = resolve(load(str(write_experiment(tmp_path, **changes))))
        return [found.run(system, 1, None).run_id for system in found.systems]

    with_search = cells(search={**SEARCH, "parameters": {"train.learning_rate": {"uniform": [0.1, 0.2]}}})
    assert with_search == cells()
