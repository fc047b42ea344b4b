"""What the report says: the answer first, every number with its meaning, nothing left out silently."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import formatting
from analysis.analyze import analyze_results
from analysis.config import CompareConfig
from analysis.report import differing_settings, page, system_tables
from analysis.tables import read
from analysis.tables.normalize import normalize
from analysis.text import methods
from tests.analysis import study
from tests.analysis.report.page import Page, page_of


def test_it_opens_with_the_question_the_answer_and_what_it_holds_for() -> None:
    answer = study.analysis()
    text = page_of(answer).text()
    order = ["Which encoder is best?", answer.headline, answer.comparisons["sentence"].iloc[0], answer.claim]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.index(answer.claim) < text.index("roberta-base 7")


def test_every_pair_has_its_verdict_as_a_sentence() -> None:
    answer = study.analysis()
    text = page_of(answer).text()
    assert all(sentence in text for sentence in answer.comparisons["sentence"])
    assert len(answer.comparisons) == 3


def test_with_many_pairs_the_decided_ones_come_first_and_none_is_missing() -> None:
    analysis = study.analysis(tuple(f"model-{number}" for number in range(8)))
    pairs = analysis.comparisons
    assert not set(pairs["verdict"]) & {"better", "worse"}
    assert "All 28 comparisons" in page_of(analysis).text("summary")
    last = pairs["sentence"].iloc[-1]
    decided = pairs.assign(verdict=pairs["verdict"].where(pairs["sentence"] != last, "better"))
    found = page_of(replace(analysis, comparisons=decided))
    assert "The other 27 comparisons" in found.text("summary")
    text = found.text("ul")
    assert all(sentence in text for sentence in pairs["sentence"])
    assert all(text.index(last) <= text.index(sentence) for sentence in pairs["sentence"])


def test_all_warnings_are_shown_and_a_limited_subset_is_stamped() -> None:
    found = study.results()
    limited = replace(found, warnings=("study: not a real result: only the first 20 items were used", "look twice"))
    shown = page_of(analyze_results(limited))
    assert "Not a real result." in shown.text("strong")
    assert "only the first 20 items were used" in shown.text("aside")
    assert "look twice" in shown.text("aside")
    assert "Not a real result." not in page_of(study.analysis()).text()


def test_a_figure_that_was_not_drawn_is_not_mentioned_and_one_that_was_stands_in_its_section() -> None:
    text = page_of(study.analysis()).text()
    assert "Training time" not in text
    assert "What they cost" not in text
    svg = study.drawn().svgs["trade_off"]
    shown = Page(page.render(study.analysis(), {"trade_off": svg}, {"trade_off": "Only the first are drawn."})).text()
    assert shown.index("What they cost") < shown.index("Score against cost") < shown.index("Only the first are drawn.")


def test_settings_that_differ_are_named_with_the_value_of_every_system() -> None:
    table = differing_settings.differing(study.analysis()).set_index("setting")
    assert list(table.columns) == list(study.THREE)
    assert table.loc["learning_rate"].tolist() == ["2e-05", "3e-05", "3e-05"]
    assert table.loc["precision"].tolist() == ["fp16", "bf16", "bf16"]
    assert "git commit" not in table.index


def test_a_system_without_a_finished_run_recorded_nothing_that_could_differ() -> None:
    found = study.results()
    runs = found.runs.copy()
    last = runs["system"] == study.THREE[-1]
    runs["status"] = runs["status"].mask(last, "failed")
    for column in {"score", *differing_settings.RECORDED} & set(runs.columns):
        runs[column] = runs[column].mask(last)
    table = differing_settings.differing(analyze_results(replace(found, runs=runs))).set_index("setting")
    assert table.loc["precision"].tolist() == ["fp16", "bf16", formatting.NONE]
    assert not {"device", "train items", "evaluation items"} & set(table.index)


def test_failures_and_retries_are_listed_with_the_first_line_of_their_reason() -> None:
    found = study.results()
    runs = found.runs.copy()
    runs.loc[0, ["status", "score", "error", "attempt"]] = ["failed", None, "OutOfMemory: 80 GiB\nTraceback", 3]
    runs.loc[1, "status"] = "collapsed"
    runs.loc[2, "attempt"] = 2
    grid = system_tables.failures(analyze_results(replace(found, runs=runs)))
    assert grid is not None
    assert [row["status"] for row in grid.rows] == ["failed", "collapsed", "completed"]
    assert grid.rows[0]["error"] == "OutOfMemory: 80 GiB"
    assert system_tables.failures(study.analysis()) is None
    assert "Every run completed on the first attempt." in page_of(study.analysis()).text()


def test_reproduction_has_the_experiment_the_commands_the_versions_and_the_seed() -> None:
    text = page_of(study.analysis()).text("section")
    for part in (
        "orchestrate search experiment.yaml --then-sweep",
        "orchestrate analyze results/study",
        "question: Which encoder is best?",
        "f" * 64,
        "0123abc",
        "generator seed",
        "versions.scipy",
    ):
        assert part in text


def test_a_plain_file_of_scores_gives_a_report_too() -> None:
    rows = [
        {"system": name, "seed": seed, "score": 0.5 + 0.1 * (name == "a") + 0.01 * (seed % 3)}
        for name in "ab"
        for seed in range(6)
    ]
    found = study.results()
    runs, _ = normalize(pd.DataFrame(rows), "scores.csv")
    bare = replace(
        found,
        runs=runs,
        epochs=found.epochs.iloc[:0],
        predictions=found.predictions.iloc[:0],
        experiment=None,
        origins=(),
    )
    text = page_of(analyze_results(bare)).text()
    assert "Comparison of systems" in text
    assert "These results came without an experiment file." in text


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_few_seeds_give_a_report_with_dashes_where_numbers_do_not_exist(seeds: int) -> None:
    text = page_of(study.analysis(seeds=seeds)).text("td")
    assert formatting.NONE in text
    assert "nan" not in text.lower().split()
    assert "None" not in text.split()


def test_one_system_is_described_without_comparisons() -> None:
    found = page_of(study.analysis(study.THREE[:1]))
    assert "there is nothing to compare" in found.text()
    assert "Every pair of systems" not in found.text("caption")


def test_a_system_without_any_score_does_not_break_the_page() -> None:
    found = study.results()
    lost = found.runs["system"] == study.THREE[2]
    runs = found.runs.assign(
        score=found.runs["score"].mask(lost),
        status=found.runs["status"].mask(lost, "diverged"),
        error="loss is not finite",
    )
    text = page_of(analyze_results(replace(found, runs=runs))).text()
    assert "loss is not finite" in text
    assert "Without score" in text


def test_the_methods_paragraph_tells_what_was_done() -> None:
    text = methods.paragraph(study.analysis())
    for part in (
        "roberta-base, deberta-v3-large and modernbert-large on cr-ecss",
        "7 random seeds (42\N{EN DASH}48)",
        "weighted_f1 (higher is better)",
        "selected on evaluation data",
        "Holm's method (1979) with Shaffer's factors (1986) over 3 comparisons",
        "split seed 42",
    ):
        assert part in text


def test_a_score_that_is_minimised_is_called_so() -> None:
    answer = analyze_results(study.results(), options=CompareConfig(direction="minimize"))
    assert "(lower is better)" in page_of(answer).text("caption")


def test_the_scores_table_has_every_run() -> None:
    grid = system_tables.scores(study.analysis())
    assert [column.heading for column in grid.columns] == ["seed", *study.THREE]
    assert len(grid.rows) == 7


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0004, "<0.001"),
        (0.001, "0.001"),
        (0.04691, "0.047"),
        (0.0495, "0.0495"),
        (0.05, "0.050"),
        (1.0, "1.000"),
        (None, "\N{EN DASH}"),
    ],
)
def test_p_values_are_written_as_exactly_as_they_mean(value: float | None, text: str) -> None:
    assert formatting.p_value(value) == text


def test_numbers_have_true_minus_signs_and_as_many_decimals_as_their_column_needs() -> None:
    assert formatting.number(-0.5, 2) == "\N{MINUS SIGN}0.50"
    assert formatting.signed(0.5, 1) == "+0.5"
    assert formatting.number(np.nan) == "\N{EN DASH}"
    assert [formatting.decimals([value]) for value in (0.8, 23.4, 1234.5, 1e9)] == [4, 3, 1, 0]
    assert formatting.interval(-1, 1, 0) == "\N{MINUS SIGN}1 to 1"


def test_lists_and_ranges_read_like_prose() -> None:
    assert formatting.listing(["a", "b", "c"]) == "a, b and c"
    assert formatting.ranges([45, 42, 43, 44, 50]) == "42\N{EN DASH}45, 50"
    assert formatting.plural(1, "run") == "1 run"


def test_only_text_that_would_start_a_formula_gets_an_apostrophe() -> None:
    frame = pd.DataFrame(
        {"name": ["=1+1", "+a", "-b", "@c", "plain", None], "value": [-1.5, 0.0, 1.0, 2.0, 3.0, np.nan]}
    )
    lines = read.to_csv(frame).decode().splitlines()
    assert lines == ["name,value", "'=1+1,-1.5", "'+a,0.0", "'-b,1.0", "'@c,2.0", "plain,3.0", ","]
