"""What was cut off is said in words: of which items, how much, and for which systems."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.analyze import analyze_results
from analysis.tables.schema import read_parquet, to_parquet_bytes, to_table
from analysis.text.warnings import about_runs, count_sentences, listed
from tests.analysis.study import results


def runs(**columns: list[Any]) -> pd.DataFrame:
    """Two runs of each of two systems."""
    return pd.DataFrame({"system": ["a", "a", "b", "b"], "settings_id": "s", **columns})


def test_words_that_are_cut_off_are_told_of_evaluated_and_of_training_items() -> None:
    table = runs(
        evaluation_truncated_items=[3, 3, 0, 0],
        evaluation_truncated_words=[40, 40, 0, 0],
        train_truncated_items=[1, 1, 0, 0],
        train_truncated_words=[1, 1, 0, 0],
        train_loss=[0.5, 0.5, 0.5, 0.5],
        train_items=[6, 6, 6, 6],
    )
    told = "a: 3 evaluation items lose 40 words to train.max_length; 1 training item loses 1 word to train.max_length"
    assert about_runs(table) == [told]


def test_what_is_true_of_every_system_is_told_once_and_what_differs_between_runs_as_a_range() -> None:
    table = runs(evaluation_white_space_words=[2, 5, 2, 5], evaluation_windows=[9, 9, 9, 9])
    told = "all systems: 2 to 5 words of evaluation items are only white space and not scored"
    assert about_runs(table) == [told]
    table = runs(evaluation_words_without_pieces=[1, 1, None, None], evaluation_answers_in_no_window=[0, 0, 2, 2])
    assert about_runs(table) == [
        "a: 1 word of evaluation items has no tokens in the tokenizer: such words are never right",
        "b: 2 answers to evaluation items fit in no window of train.max_length tokens",
    ]


def test_a_count_of_a_users_own_task_is_told_by_its_name_and_other_tools_columns_are_not() -> None:
    table = runs(evaluation_skipped_rows=[4, 4, 4, 4])
    assert about_runs(table) == ["all systems: 4 skipped rows of evaluation items"]
    assert about_runs(table.drop(columns="settings_id")) == []


def test_items_that_are_cut_within_a_word_lose_pieces() -> None:
    assert count_sentences({"truncated_items": [2], "truncated_words": [0]}, "item") == {
        "truncated_items": "2 items lose tokens to train.max_length"
    }
    assert count_sentences({"truncated_items": [0], "windows": [4]}, "item") == {}
    assert listed(["1", "2"]) == "1, 2"
    assert listed([str(number) for number in range(7)]) == "0, 1, 2, 3, 4 and 2 more"


def test_an_analysis_says_it_among_its_warnings() -> None:
    found = analyze_results(results(evaluation_truncated_items=2, evaluation_truncated_words=9))
    assert "all systems: 2 evaluation items lose 9 words to train.max_length" in found.warnings


def test_counts_of_the_parts_are_columns_of_the_runs_table() -> None:
    row = {"run_id": "r", "system": "a", "seed": 1, "status": "completed", "evaluation_truncated_words": 3}
    table = to_table("runs", [row, {**row, "run_id": "q", "evaluation_truncated_words": None}])
    found = read_parquet(to_parquet_bytes(table), kind="runs")
    assert found["evaluation_truncated_words"].to_pylist() == [3, None]
