"""A negative control: marked wherever it stands, in the family of tests, never the best, and louder than the rest."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from analysis.analyze import Analysis, analyze, analyze_results
from analysis.config import CompareConfig
from analysis.plotting import item_disagreements
from analysis.report import pair_tables, system_tables
from analysis.report.paper_tables import latex, markdown
from analysis.report.write import tables
from analysis.text import methods
from tests.analysis import study
from tests.analysis.frames import csv, rows, write_compacted
from tests.analysis.report.page import page_of
from tests.analysis.test_analyze import draws

MARKED = CompareConfig(controls={"broken": "negative"})


@pytest.fixture
def marked(tmp_path: Path) -> Analysis:
    scores = draws(good=(0.8, 8), fine=(0.75, 8), broken=(0.3, 8))
    return analyze([csv(tmp_path / "x.csv", scores)], options=MARKED)


def test_every_table_says_which_system_is_a_control(marked: Analysis) -> None:
    page = page_of(marked)
    assert page.text().count("negative control") > 3
    frame = pd.read_csv(BytesIO(tables(marked)["statistical_tests.csv"]))
    assert frame.loc[frame["b"] == "broken", "control_b"].tolist() == ["negative", "negative"]
    assert frame["control_a"].isna().all()
    for written in (markdown(system_tables.summary(marked)), latex(pair_tables.verdicts(marked), "x")):
        assert "broken (negative control)" in written
    assert "broken (negative control)" in [column.heading for column in system_tables.scores(marked).columns]


def test_its_comparisons_belong_to_the_family_and_that_is_said(marked: Analysis) -> None:
    assert marked.comparisons["primary_p_holm"].tolist() == pytest.approx([3 * 2 / 2**8] * 3)
    said = "3 comparisons (2 of them with a negative control)"
    assert said in methods.paragraph(marked)
    assert said in page_of(marked).text("dd")
    document = marked.to_json()
    assert [pair["control_b"] for pair in document["comparisons"]] == [None, "negative", "negative"]


def test_a_control_that_recorded_runs_name_works_like_one_of_the_experiment_file(tmp_path: Path) -> None:
    scores = draws(good=(0.8, 8), fine=(0.75, 8), broken=(0.3, 8))
    listed = [row | {"control": "negative" if row["system"] == "broken" else None} for row in rows(scores)]
    write_compacted(tmp_path, listed)
    found = analyze([tmp_path])
    assert found.systems.set_index("system")["control"].to_dict()["broken"] == "negative"
    assert "Negative control broken is worse than every other system, as it must be." in found.headline


def test_a_control_with_the_best_mean_is_no_winner_and_the_experiment_is_called_blind(tmp_path: Path) -> None:
    scores = draws(broken=(0.9, 8), good=(0.8, 8), fine=(0.75, 8))
    found = analyze([csv(tmp_path / "x.csv", scores)], options=MARKED)
    assert found.systems["system"][0] == "broken"
    assert found.best == "good"
    assert "broken is better" not in found.headline
    blind = "The experiment is not sensitive: negative control broken is not shown to be worse than good and fine."
    assert blind in found.headline
    assert blind[0].lower() + blind[1:-1] in found.warnings


def test_the_answers_that_are_shown_are_not_the_controls() -> None:
    first, second, third = study.THREE
    found = analyze_results(study.results(seeds=3), options=CompareConfig(controls={first: "negative"}))
    assert set(item_disagreements.disagreements(found)["a"]) == {second}
    assert set(item_disagreements.disagreements(found)["b"]) == {third}
