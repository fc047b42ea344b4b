"""What a search leaves in tables, figures, JSON and the report, with a comparison after it and without one."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from analysis import registry
from analysis.analyze import Analysis, analyze, analyze_results
from analysis.figures import _search
from analysis.plotting import draw_all
from analysis.plotting.figure import NotApplicable
from analysis.report import differing_settings, write
from analysis.report.page import render
from tests.analysis import searches, study
from tests.analysis.frames import rows
from tests.analysis.report.page import Page

FIGURES = [name for name in registry.names("figure") if name.startswith("search_")]


@cache
def alone(scheduler: str = "asha", number: int = 12) -> Analysis:
    return analyze_results(searches.alone(study.THREE, number, scheduler))


def frame(name: str, analysis: Analysis) -> pd.DataFrame:
    found: pd.DataFrame = registry.load("figure", name).frame(analysis)
    return found


def test_a_search_alone_has_figures_a_table_and_a_page_and_no_verdict(tmp_path: Path) -> None:
    analysis = analyze([searches.write(tmp_path, study.THREE)])
    drawn = draw_all.draw(analysis, ("svg",))
    assert sorted(drawn.files) == FIGURES
    assert set(write.tables(analysis)) == {"search.csv", "search.parquet"}
    page = Page(render(analysis, drawn.svgs, drawn.notes))
    assert page.unbalanced == []
    assert "No verdict was asked for: 36 trials of 3 systems" in page.text()
    assert "orchestrate search EXPERIMENT --then-sweep" in page.text("section")
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links == {"#answer", "#search", "#reproduce", "#methods", "#glossary"}
    assert {attributes.get("id") for _, attributes in page.tags} >= {str(link)[1:] for link in links}


def test_the_document_of_a_search_alone_has_empty_comparisons_and_the_search() -> None:
    document = json.loads(json.dumps(alone().to_json(), allow_nan=False))
    assert (document["systems"], document["comparisons"]) == ([], [])
    assert document["search"]["trials"] == 36
    assert [row["system"] for row in document["search"]["systems"]] == alone().search.systems["system"].tolist()
    assert document["search"]["epochs_share"] < 1


def test_without_trials_nothing_speaks_of_a_search() -> None:
    bare = replace(study.results(study.THREE[:2], seeds=3), trials=study.results().trials.iloc[:0])
    analysis = analyze_results(bare)
    assert "search" not in analysis.to_json()
    assert "search.csv" not in write.tables(analysis)
    assert "Hyper-parameter search" not in render(analysis, {})
    with pytest.raises(NotApplicable, match=r"trials\.trial"):
        frame("search_history", analysis)


def test_with_a_comparison_the_page_shows_both_stages_and_the_budget(tmp_path: Path) -> None:
    compared = rows({name: [0.8, 0.82] for name in study.THREE}, score_split="validation", selected_on="validation")
    analysis = analyze([searches.write(tmp_path, study.THREE, compared)])
    text = Page(render(analysis, {})).text("section")
    spent = analysis.search.budget
    assert f"This took {spent['epochs_run']:.0f} epochs, {spent['epochs_share']:.0%} of" in text
    assert "The 6 runs with seed 42\N{EN DASH}43, none of them a trial." in text
    assert "Every trial is one run with one seed" in text
    assert any("on the same validation items" in warning for warning in analysis.warnings)
    assert not any("one run with one seed" in warning for warning in analysis.warnings), "it is about the trials"


@pytest.mark.parametrize(
    ("of_roberta", "said"),
    [
        (None, "There is no record that they have the settings that the search found"),
        ("trial-10-of-0", "They have the settings of the best trial of their system, and fresh seeds."),
        ("trial-2-of-0", "The runs of roberta-base do not have the settings that are now the best"),
    ],
)
def test_the_page_says_whether_the_winners_were_compared(tmp_path: Path, of_roberta: str | None, said: str) -> None:
    compared = rows({name: [0.8, 0.82] for name in study.THREE[:2]})
    folder = searches.write(tmp_path, study.THREE[:2], compared)
    best = {"roberta-base": of_roberta, "deberta-v3-large": of_roberta and "trial-11-of-1"}
    cells = [{"run_id": row["run_id"], "system": row["system"], "winner_of": best[row["system"]]} for row in compared]
    (folder / "cells.json").write_text(json.dumps({"cells": cells}))
    text = Page(render(analyze([folder]), {})).text("section")
    assert said in text
    assert ("orchestrate search experiment.yaml --then-sweep" in text) == (of_roberta is not None)
    assert ("orchestrate sweep experiment.yaml" in text) == (of_roberta is None)


def test_settings_that_the_search_chose_are_among_those_that_differ(tmp_path: Path) -> None:
    compared = rows({name: [0.8, 0.82] for name in study.THREE[:2]}, model="x", recipe="cheap")
    folder = searches.write(tmp_path, study.THREE[:2], compared)
    best = {"roberta-base": "trial-1-of-0", "deberta-v3-large": "trial-11-of-1"}
    cells = [{"run_id": row["run_id"], "winner_of": best[row["system"]]} for row in compared]
    (folder / "cells.json").write_text(json.dumps({"cells": cells}))
    table = differing_settings.differing(analyze([folder])).set_index("setting")
    assert table.loc["learning_rate", "roberta-base"] == "3e-05"
    assert table.loc["lora.rank", "roberta-base"] == "\N{EN DASH}"
    assert int(table.loc["lora.rank", "deberta-v3-large"]) >= 4


def test_the_table_beside_the_report_is_the_summary() -> None:
    written = pd.read_csv(io.BytesIO(write.tables(alone())["search.csv"]))
    assert written["best_run_id"].tolist() == alone().search.systems["best_run_id"].tolist()
    assert json.loads(written["best_parameters"][0]).keys() >= {searches.RATE}


def test_stopped_and_diverged_trials_never_raise_the_best_so_far() -> None:
    data = frame("search_history", alone(number=24))
    assert data.loc[data["status"] == "diverged", "reached"].isna().all()
    ended = data["reached"].where(data["status"] == "completed")
    best = ended.groupby(data["system"]).cummax().groupby(data["system"]).ffill()
    assert data["best_so_far"].fillna(-1).tolist() == best.fillna(-1).tolist()


def test_rungs_are_marked_where_trials_could_be_stopped() -> None:
    data = frame("search_learning_curves", alone())
    assert sorted(data.loc[data["is_rung"], "epoch"].unique()) == [1, 3]
    assert not frame("search_learning_curves", alone("none"))["is_rung"].any()


def test_the_learning_rate_is_found_to_matter_most() -> None:
    data = frame("search_importance", alone(number=24))
    assert data["parameter"].iloc[0] == "learning_rate"
    assert data.groupby("parameter")["low"].max()["learning_rate"] > 0
    assert "not searched here" in set(data["note"].dropna())


def test_few_trials_have_no_importance() -> None:
    with pytest.raises(NotApplicable, match="no system has 10 trials"):
        frame("search_importance", alone(number=6))


def test_the_expected_best_says_whether_it_holds_and_ends_at_the_best_proposed_trial() -> None:
    figure = registry.load("figure", "search_expected_best")
    whole, stopped = (frame(figure.name, alone(scheduler)) for scheduler in ("none", "asha"))
    assert (whole["is_exact"].all(), stopped["is_exact"].any()) == (True, False)
    assert "as the estimate assumes" in figure.remark(whole)
    assert figure.remark(stopped).startswith("Dashed: an approximation")
    trials = alone("none").search.trials
    best = trials[trials["proposed_by"] != "default"].groupby("system")["value"].max()
    assert whole.groupby("system")["expected"].max().to_dict() == pytest.approx(best.to_dict())
    assert whole.groupby("panel")["budget"].max().tolist() == [10 * 9 + 2, 11]  # one diverged


def test_many_parameters_of_a_system_are_spread_over_panels() -> None:
    found = searches.alone(study.THREE[:1], 12)
    more = {f"parameter_train.extra_{number}": [0.1 * trial for trial in range(12)] for number in range(6)}
    data = frame("search_parallel_coordinates", analyze_results(replace(found, trials=found.trials.assign(**more))))
    assert data["panel"].unique().tolist() == ["roberta-base (1 of 2)", "roberta-base (2 of 2)"]
    assert data.groupby("panel")["axis"].nunique().tolist() == [7, 4]
    assert set(data.groupby("panel")["axis"].last()) == {"weighted_f1"}


def test_one_hopeless_trial_does_not_stretch_an_axis() -> None:
    values = pd.Series([0.80, 0.82, 0.84, 0.86, 0.01])
    low, high = _search.shown_range(values, larger_is_better=True)
    assert (low, high) == pytest.approx((0.80 - 3 * 0.04, 0.86))
    assert _search.shown_range(values, larger_is_better=False) == (0.01, 0.86)


def test_a_trial_that_only_diverged_ones_surround_can_be_drawn() -> None:
    found = searches.alone(study.THREE[:1], 12)
    trials = found.trials.assign(status="diverged", score=None)
    trials.loc[0, ["status", "score"]] = ["completed", 0.5]
    drawn = draw_all.draw(analyze_results(replace(found, trials=trials)), ("svg",))
    assert {"search_history", "search_learning_curves", "search_parallel_coordinates"} <= set(drawn.files)
    assert "no system has two trials" in drawn.skipped["search_expected_best"]
