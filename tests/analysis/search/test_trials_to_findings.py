"""What follows from trials: the space, ranking, summary and warnings, by numbers that can be checked by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analysis.search.findings import Findings, read_findings
from analysis.search.settings import SearchSettings, planned_epochs, read_settings, short_names
from analysis.search.summary import ONE_SEED, about_comparison, about_search, rank_trials, summarize
from analysis.tables.trials import trials_table
from tests.analysis import searches, study


def trials(*told: tuple[Any, ...], system: str = "s", **columns: Any) -> pd.DataFrame:
    """Trials of (status, score, best score, epochs); the first is the default one."""
    made = [
        {
            "search": "block", "trial": number, "run_id": f"{system}-{number}", "system": system, "model": system,
            "recipe": "default", "seed": 0, "proposed_by": "random" if number > 1 else "default",
            "parameters": {"train.learning_rate": 1e-5 * number}, "status": status, "score": score,
            "best_score": best, "epochs": epochs, "seconds": 2.0 * epochs, **columns,
        }
        for number, (status, score, best, epochs) in enumerate(told, start=1)
    ]  # fmt: skip
    frame: pd.DataFrame = trials_table(made).to_pandas()
    return frame


TOLD = (
    ("completed", 0.5, 0.5, 9),
    ("pruned", None, 0.9, 3),
    ("completed", 0.7, 0.7, 9),
    ("diverged", None, 0.6, 2),
    ("collapsed", 0.1, 0.1, 5),
    ("failed", None, 0.8, 1),
    ("pending", None, None, 0),
    ("completed", 0.7, 0.7, 9),
)
FILE: dict[str, Any] = {"train": {"epochs": 9}}


def test_only_a_trial_that_came_to_its_end_can_be_the_best() -> None:
    found = rank_trials(trials(*TOLD), FILE, "maximize")
    assert found["is_best"].tolist() == [False, False, True, False, False, False, False, False]
    assert found["best_so_far"].tolist() == [0.5, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    assert found["reached"].fillna(-1).tolist() == [0.5, 0.9, 0.7, -1, 0.1, -1, -1, 0.7]
    assert found["whole_epochs"].tolist() == [9, 9, 9, 2, 5, 9, 9, 9]


def test_where_less_is_better_the_lowest_is_the_best() -> None:
    found = rank_trials(trials(*TOLD), FILE, "minimize")
    assert found["trial"][found["is_best"]].tolist() == [5]
    assert found["best_so_far"].tolist() == [0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1]


def test_systems_stand_as_they_were_compared_and_the_others_by_their_best_trial() -> None:
    every = [
        trials(("completed", score, score, 9), system=name) for name, score in (("a", 0.1), ("b", 0.3), ("c", 0.2))
    ]
    both = pd.concat(every, ignore_index=True)
    places = {row["system"]: row["place"] for row in rank_trials(both, FILE, "maximize", ["a"]).to_dict("records")}
    assert places == {"a": 0, "b": 1, "c": 2}
    assert rank_trials(both, FILE, "maximize")["system"].tolist() == ["b", "c", "a"]


def test_the_summary_says_what_was_spent_and_gained() -> None:
    row = summarize(rank_trials(trials(*TOLD), FILE, "maximize"), "maximize").iloc[0]
    counted = {
        name: row[name] for name in ("trials", "completed", "collapsed", "diverged", "pruned", "failed", "pending")
    }
    assert counted == {
        "trials": 8, "completed": 3, "collapsed": 1, "diverged": 1, "pruned": 1, "failed": 1, "pending": 1,
    }  # fmt: skip
    assert (row["epochs_run"], row["epochs_to_the_end"], row["seconds"]) == (38, 61, 76)
    assert row["epochs_share"] == pytest.approx(38 / 61)
    assert (row["default_score"], row["best_score"], row["gain"]) == pytest.approx((0.5, 0.7, 0.2))
    assert (row["best_trial"], row["best_run_id"]) == (3, "s-3")


def test_a_gain_is_positive_where_less_is_better_too() -> None:
    row = summarize(rank_trials(trials(*TOLD), FILE, "minimize"), "minimize").iloc[0]
    assert row["gain"] == pytest.approx(0.4)


def test_a_search_without_an_ended_trial_has_no_best_one() -> None:
    row = summarize(
        rank_trials(trials(("pruned", None, 0.4, 1), ("failed", None, None, 0)), {}, "maximize"), "maximize"
    ).iloc[0]
    assert row[["default_score", "best_score", "gain", "best_trial", "epochs_to_the_end"]].isna().all()


def test_rungs_lie_below_the_last_epoch() -> None:
    settings = SearchSettings((), "random", "asha", min_epochs=1, reduction_factor=3)
    assert settings.rungs(27) == [1, 3, 9]
    assert settings.rungs(28) == [1, 3, 9, 27]
    assert settings.rungs(1) == []
    assert SearchSettings((), "random", "median", 1, 3).rungs(27) == []


def test_the_space_is_read_from_the_block_and_where_it_is_silent_from_the_trials() -> None:
    tried, _ = searches.tables(study.THREE, 6)
    rate, size, decay, rank = read_settings(searches.experiment(), tried).parameters
    assert (rate.scale, rate.low, rate.high) == ("log", 1e-5, 1e-3)
    assert (size.scale, size.choices) == ("choice", ("8", "16", "32"))
    assert (decay.scale, rank.scale) == ("linear", "linear")
    unknown = read_settings(None, tried)
    assert {one.name for one in unknown.parameters} == set(searches.BLOCK["parameters"])
    assert (unknown.searcher, unknown.are_independent) == (None, False)
    assert read_settings(searches.experiment({"scheduler": "none"}), tried).are_independent


def test_a_default_outside_the_searched_range_widens_the_axis() -> None:
    tried = trials(("completed", 0.5, 0.5, 9))
    (rate,) = read_settings(
        {"search": {"parameters": {"train.learning_rate": {"uniform": [0.1, 0.2]}}}}, tried
    ).parameters
    assert (rate.low, rate.high) == (1e-5, 0.2)


def test_names_lose_what_does_not_tell_them_apart() -> None:
    names = ["train.epochs", "recipes.a.lora.rank", "recipes.b.lora.rank"]
    assert list(short_names(names).values()) == ["epochs", "a.lora.rank", "b.lora.rank"]


def test_the_epochs_of_a_trial_are_its_own_then_its_models_then_those_of_the_file() -> None:
    file = {"train": {"epochs": 4}, "models": {"m": {"epochs": 6}, "n": {}}}
    assert [planned_epochs(file, {"model": name}) for name in "mn"] == [6, 4]
    assert planned_epochs(file, {"model": "m", "parameter_train.epochs": 2.0}) == 2
    assert planned_epochs(None, {"model": "m"}) is None


def summary(*systems: tuple[str, int]) -> pd.DataFrame:
    frames = [trials(*[("completed", 0.5, 0.5, 9)] * number, system=name) for name, number in systems]
    return summarize(rank_trials(pd.concat(frames, ignore_index=True), FILE, "maximize"), "maximize")


def test_unequal_budgets_and_scores_on_the_items_that_chose_are_said() -> None:
    runs = pd.DataFrame({"score": [0.5], "score_split": ["validation"]})
    assert about_comparison(summary(("a", 2), ("b", 2)), runs.assign(score_split="test")) == []
    unequal, same = about_comparison(summary(("a", 2), ("b", 3)), runs)
    assert unequal.startswith("budgets are unequal: from 2 trials (a) to 3 (b)")
    assert "on the same validation items" in same


def test_trials_that_did_not_end_are_counted_and_one_seed_is_never_enough() -> None:
    made = summarize(rank_trials(trials(*TOLD), FILE, "maximize"), "maximize")
    assert about_search(made)[0] == ONE_SEED
    assert "1 trial has failed: the search, started again, runs it" in about_search(made)
    assert about_search(summary(("a", 2))) == [ONE_SEED]


def test_the_metric_of_the_trials_is_not_that_of_another_analysis() -> None:
    found = read_findings(searches.alone(study.THREE, 6), "accuracy", "minimize")
    assert isinstance(found, Findings)
    assert (found.metric, found.direction) == ("weighted_f1", "maximize")
    document = found.to_json()
    assert document["trials"] == 18
    assert document["systems"][0]["best_parameters"].keys() >= {searches.RATE, searches.SIZE}
