"""Rows of values in words: what would decide an open pair, and what runs without a score do to the verdicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.comparison.all_pairs import compare_all
from analysis.comparison.design import read_design
from analysis.comparison.failure_sensitivity import Sensitivity
from analysis.comparison.growth import Growth, Range
from analysis.config import CompareConfig
from analysis.tables.read import read
from analysis.text.sentences import advice, in_words, sentence
from analysis.text.warnings import about_sensitivity
from tests.analysis.frames import csv

OPEN = {"verdict": "inconclusive", "mean_diff": -0.01, "n_pairs": 8, "n_items": 60, "variance_items": None}


GOAL = "to show a true difference of 0.02 in 80% of experiments takes"


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        (None, None),
        (Growth(7, is_estimated=False), "a verdict needs at least 7 seeds in common"),
        (Growth(7), None),
        (Growth(7, 0.02, Range(9, 14, 31)), f"{GOAL} 9 to 31 seeds (best guess 14)"),
        (Growth(7, 0.02, Range(7, 7, 7)), f"{GOAL} 7 seeds"),
        (Growth(7, 0.02, Range(9, 14, None)), f"{GOAL} at least 9 seeds (best guess 14, without an upper limit)"),
        (Growth(7, 0.02, Range(9, None, None)), f"{GOAL} at least 9 seeds (without an upper limit)"),
        (
            Growth(7, 0.02, Range(None, None, None), Range(200, 300, 900)),
            f"{GOAL} more than 10000 seeds with these 60 items, "
            "or 200 to 900 items (best guess 300) with these 8 seeds",
        ),
    ],
)
def test_an_open_pair_is_advised_by_what_shows_the_smallest_difference_that_matters(
    growth: Growth | None, words: str | None
) -> None:
    assert advice({**OPEN, "growth": growth}) == words


def test_a_difference_that_is_often_missed_is_called_an_overestimate_where_it_is_found() -> None:
    found = {**OPEN, "verdict": "better", "mean_diff": 0.02, "growth": None}
    assert advice({**found, "detectable_difference": 0.019}) is None
    assert "on average it is an overestimate" in str(advice({**found, "detectable_difference": 0.03}))


def test_all_pairs_are_compared_without_words_and_told_afterwards(tmp_path: Path) -> None:
    runs = read([csv(tmp_path / "x.csv", {"x": [0.8, 0.9], "y": [0.7, 0.6]})]).runs
    config = CompareConfig()
    rows, _ = compare_all(runs, ["x", "y"], read_design(runs, config, None), config, generator_seed=0)
    assert not {"sentence", "advice"} & rows[0].keys()
    assert rows[0]["growth"] == Growth(6, is_estimated=False)
    (told,) = in_words(rows, config)
    assert told["advice"] == "a verdict needs at least 6 seeds in common"
    assert told["sentence"].startswith("x against y is undecidable: only 2 seeds in common: descriptive only; observed")


def test_runs_without_a_score_are_said_to_change_verdicts_only_where_they_do() -> None:
    row = {"a": "x", "b": "y", "baseline": 0.25, "same_test_verdict": "better", "verdict": "better", "changed": False}
    other = row | {"b": "z", "verdict": "inconclusive", "changed": True}
    assert about_sensitivity(Sensitivity(pd.DataFrame())) == []
    assert about_sensitivity(Sensitivity(pd.DataFrame([row]))) == [
        "counting runs without a score at the majority baseline (0.25) changes no verdict"
    ]
    (said,) = about_sensitivity(Sensitivity(pd.DataFrame([row, other])))
    assert said.endswith("(0.25) changes x against z (better -> inconclusive)")
    assert "cannot be scored" in about_sensitivity(Sensitivity(pd.DataFrame(), lacks_baseline=True))[0]


def test_an_interval_beside_a_stepwise_p_never_contradicts_it_and_says_what_it_holds_for() -> None:
    row = {
        **{"a": "x", "b": "y", "verdict": "worse", "mean_diff": -0.02, "primary_p_holm": 0.04, "beyond_margin": None},
        **{"primary_ci_low": -0.03, "primary_ci_high": -0.01, "simultaneous_low": -0.041, "simultaneous_high": 0.001},
    }
    alone = sentence(row, CompareConfig(), is_one_of_many=True)
    assert alone == "x is worse than y by 0.02 (95% interval of this pair alone 0.01 to 0.03, Holm p 0.04)"
    together = sentence({**row, "simultaneous_high": -0.002}, CompareConfig(), is_one_of_many=True)
    assert together == "x is worse than y by 0.02 (simultaneous 95% interval 0.002 to 0.041, Holm p 0.04)"
