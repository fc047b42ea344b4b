"""Unequal selection on the evaluation data blocks a verdict; collapse is reported as an outcome of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.analyze import Analysis, analyze_results
from analysis.comparison.selection import count_looks
from analysis.config import CompareConfig
from analysis.inference.descriptives import exact_interval
from analysis.report.write import render
from analysis.tables.read import Results
from tests.analysis.items import draw_hits, study

QUICK = CompareConfig(resamples=1_000)


def chosen(epochs: tuple[int, ...], experiment: dict[str, Any] | None = None) -> Results:
    """The first system is clearly the best; each chose its best epoch of so many by the score that it reports."""
    results = study(draw_hits(3, systems=len(epochs), gain=2.0), selected_on="validation")
    of_system = results.runs["system"].map(lambda name: epochs[int(name[1:])])
    return replace(results, runs=results.runs.assign(epochs=of_system), experiment=experiment)


def pair(found: Analysis, a: str, b: str) -> pd.Series[Any]:
    return found.comparisons.set_index(["a", "b"]).loc[(a, b)]


def test_the_best_of_ten_epochs_against_the_best_of_three_gets_no_verdict_unless_it_is_allowed() -> None:
    results = chosen((10, 3, 3))
    found = analyze_results(results, options=QUICK)
    reason = "s0 is scored by the best of 10 epochs on the evaluation data and s1 by the best of 3 epochs"
    assert pair(found, "s0", "s1")["verdict"] == "inconclusive"
    assert pair(found, "s0", "s1")["reason"] == f"{reason}, which favours s0"
    assert any("compare.allow_unequal_selection" in text for text in found.warnings)
    assert "favours" not in pair(found, "s1", "s2")["reason"]
    assert found.systems["may_be_best"].eq(1.0).all()
    allowed = analyze_results(results, options=QUICK.model_copy(update={"allow_unequal_selection": True}))
    assert pair(allowed, "s0", "s1")["verdict"] == "better"
    assert any(text.endswith("the verdict was allowed anyway") for text in allowed.warnings)


def test_equal_selection_keeps_the_verdict_and_the_remark() -> None:
    found = analyze_results(chosen((10, 10)), options=QUICK)
    assert found.comparisons["verdict"].tolist() == ["better"]
    assert any(text.startswith("selected on evaluation data: all systems") for text in found.warnings)


def test_a_choice_on_other_data_is_one_look() -> None:
    results = chosen((10, 3))
    elsewhere = replace(results, runs=results.runs.assign(score_split="test"))
    assert count_looks(elsewhere.runs, None) == {"s0": 1, "s1": 1}
    half = results.runs.assign(selected_on=results.runs["system"].map({"s0": "validation", "s1": "nothing"}))
    assert count_looks(half, None) == {"s0": 10, "s1": 1}


def test_early_stopping_takes_no_looks_away_but_other_epochs_of_a_model_or_recipe_do() -> None:
    runs = chosen((7, 5)).runs
    runs = runs.assign(model=runs["system"], recipe=runs["system"].map({"s0": "plain", "s1": "long"}))
    assert count_looks(runs, {"train": {"epochs": 10}}) == {"s0": 10, "s1": 10}
    assert count_looks(runs, {"train": {"epochs": 10}, "models": {"s1": {"epochs": 4}}}) == {"s0": 10, "s1": 4}
    assert count_looks(runs, {"train": {"epochs": 10}, "recipes": {"long": {"epochs": 20}}}) == {"s0": 10, "s1": 20}
    assert count_looks(runs.drop(columns="epochs"), None) == {}
    searched = runs.assign(winner_of="trial")
    assert count_looks(searched, {"train": {"epochs": 10}}) == {"s0": 7, "s1": 5}


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 5, 0.0, 0.5218), (5, 5, 0.4782, 1.0), (2, 5, 0.0527, 0.8534), (1, 10, 0.0025, 0.4450)],
)
def test_exact_intervals_are_those_of_the_tables(count: int, n: int, low: float, high: float) -> None:
    assert exact_interval(count, n, 0.05) == pytest.approx((low, high), abs=5e-5)


def test_collapse_of_one_system_is_named_in_its_verdict_with_rate_and_the_mean_of_the_others() -> None:
    hits = draw_hits(3, seeds=5, gain=1.0)
    hits[1, :2] = np.arange(hits.shape[2]) % 3 != 0  # two runs of s1 answer "no" to everything
    results = study(hits)
    results.runs.loc[[5, 6], "status"] = "collapsed"
    found = analyze_results(results, options=QUICK)
    row = found.systems.set_index("system").loc["s1"]
    others = results.runs["score"].iloc[7:].mean()
    assert (row["collapse_rate"], row["mean_without_collapse"]) == pytest.approx((0.4, others))
    assert (
        "; collapsed: s0 0 of 5 runs (0% to 52%), s1 2 of 5 runs (5% to 85%); mean of the other runs" in found.headline
    )
    assert any("s1: 2 of 5 runs collapsed" in text and "5% to 85%" in text for text in found.warnings)
    page = render(found)["report.html"].decode()
    assert "40% (5% to 85%)" in page


def test_with_many_systems_the_headline_says_once_who_collapsed() -> None:
    results = study(draw_hits(3, seeds=5, systems=4))
    results.runs.loc[5, "status"] = "collapsed"
    found = analyze_results(results, options=QUICK)
    assert found.headline.count("Collapsed: s1 1 of 5 runs (1% to 72%); the others in none.") == 1
