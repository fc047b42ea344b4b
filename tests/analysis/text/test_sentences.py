"""Rows of values in words: what would decide an open pair, and what runs without a score do to the verdicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.comparison.all_pairs import Growth, compare_all
from analysis.comparison.design import read_design
from analysis.comparison.failure_sensitivity import Sensitivity
from analysis.config import CompareConfig
from analysis.tables.read import read
from analysis.text.sentences import advice, in_words
from analysis.text.warnings import about_sensitivity
from tests.analysis.frames import csv

OPEN = {"verdict": "inconclusive", "mean_diff": -0.01, "n_pairs": 8, "n_items": 60, "variance_items": None}


@pytest.mark.parametrize(
    ("growth", "of_items", "words"),
    [
        (None, None, None),
        (Growth(7, None, is_estimated=False), None, "a verdict needs at least 7 seeds in common"),
        (Growth(7, 12, is_estimated=True), None, "about 12 seeds in all would show {} in 80% of experiments"),
        (Growth(7, 8, is_estimated=True), None, "8 seeds show {} in 80% of experiments; this one was not among them"),
        (Growth(7, None, is_estimated=True), None, "more than 10000 seeds would be needed to show {}"),
        (
            Growth(7, None, is_estimated=True),
            1e-3,
            "no number of seeds would show {}: the variance of the 60 items is too large; evaluate on more items",
        ),
    ],
)
def test_an_open_pair_is_advised_by_what_more_seeds_would_do(
    growth: Growth | None, of_items: float | None, words: str | None
) -> None:
    expected = words and words.format("a true difference of 0.01 (the observed one)")
    assert advice({**OPEN, "variance_items": of_items, "growth": growth}) == expected


def test_all_pairs_are_compared_without_words_and_told_afterwards(tmp_path: Path) -> None:
    runs = read([csv(tmp_path / "x.csv", {"x": [0.8, 0.9], "y": [0.7, 0.6]})]).runs
    config = CompareConfig()
    rows, _ = compare_all(runs, ["x", "y"], read_design(runs, config, None), config, generator_seed=0)
    assert not {"sentence", "advice"} & rows[0].keys()
    assert rows[0]["growth"] == Growth(6, None, is_estimated=False)
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
