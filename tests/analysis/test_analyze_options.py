"""What an experiment can ask for beyond the default answer, and what failures do to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analysis import registry
from analysis.analyze import analyze, analyze_results
from analysis.comparison.all_pairs import compare_all
from analysis.comparison.design import read_design
from analysis.comparison.failure_sensitivity import score_failures
from analysis.comparison.item_counts import read_item_counts
from analysis.config import CompareConfig
from analysis.report import pair_tables
from analysis.report.write import render, tables
from tests.analysis.frames import csv, rows
from tests.analysis.items import draw_hits, study

ALL = tuple(name for name in registry.names("test") if name != "multi_bootstrap")


def test_every_optional_test_has_its_rows_in_table_and_document() -> None:
    results = study(draw_hits(1, seeds=6, items=60, systems=3), train_items=100, evaluation_items=60)
    found = analyze_results(results, options=CompareConfig(tests=ALL, rope=0.02, resamples=1_000))
    counts = found.optional.groupby("test").size()
    for name in ALL:
        test = registry.load("test", name)
        pairs = 3 if test.systems == "two" else 1
        assert counts[name] == pairs * (6 if test.values == "hits" else 1)
    over_seeds = ("friedman", "nemenyi", "kendall_w", "repeated_measures_anova")
    noted = found.optional["test"].isin(("corrected_resampled_t", *over_seeds))
    assert found.optional.loc[~noted, "note"].isna().all()
    assert found.optional.loc[found.optional["test"].isin(over_seeds), "note"].str.contains("on one split").all()
    (mcnemar, *_) = [row for row in found.to_json()["extra"] if row["test"] == "mcnemar"]
    assert (mcnemar["seed"], mcnemar["n"], mcnemar["systems"]) == ("42", 60, [mcnemar["a"], mcnemar["b"]])
    assert mcnemar["p_holm"] >= mcnemar["p"]
    assert {"optional_tests.csv", "optional_tests.parquet"} <= set(tables(found))


def test_mcnemar_counts_the_hits_of_the_seed_it_names() -> None:
    hits = draw_hits(1, seeds=3, items=80)
    found = analyze_results(study(hits), options=CompareConfig(tests=("mcnemar",), resamples=1_000)).optional
    first = found[found["seed"] == "43"].iloc[0]
    pair = [int(name[1]) for name in (first["a"], first["b"])]
    only_a, only_b = ((hits[pair[0], 1] > hits[pair[1], 1]).sum(), (hits[pair[0], 1] < hits[pair[1], 1]).sum())
    assert first["statistic"] == pytest.approx((only_a - only_b) ** 2 / (only_a + only_b))


def test_tests_of_hits_have_a_row_for_every_fold_and_no_fold_is_left_out() -> None:
    """Folds have other items, and of the first one alone nobody would know."""
    folds = [draw_hits(fold, seeds=2, items=30 + fold, systems=3) for fold in range(3)]
    parts = [study(hits, fold=fold) for fold, hits in enumerate(folds)]
    runs = pd.concat([part.runs.assign(run_id=part.runs["run_id"] + f"-{n}") for n, part in enumerate(parts)])
    said = [part.predictions.assign(run_id=part.predictions["run_id"] + f"-{n}") for n, part in enumerate(parts)]
    whole = replace(parts[0], runs=runs.reset_index(drop=True), predictions=pd.concat(said, ignore_index=True))
    answer = analyze_results(whole, options=CompareConfig(tests=("mcnemar", "cochran_q"), resamples=1_000))
    found = answer.optional
    assert found.groupby("test").size().to_dict() == {"mcnemar": 3 * 2 * 3, "cochran_q": 2 * 3}
    assert found.groupby("fold")["n"].unique().map(list).to_dict() == {"0": [30], "1": [31], "2": [32]}
    assert set(zip(found["seed"], found["split_seed"], strict=True)) == {("42", "42"), ("43", "42")}
    row = found[(found["test"] == "mcnemar") & (found["seed"] == "43") & (found["fold"] == "2")].iloc[0]
    a, b = (folds[2][int(name[1]), 1] for name in (row["a"], row["b"]))
    assert row["statistic"] == pytest.approx(((a > b).sum() - (a < b).sum()) ** 2 / (a != b).sum())
    grid = pair_tables.optional(answer)
    assert grid is not None
    assert [column.heading for column in grid.columns][2:5] == ["Seed", "Fold", "n"]


def test_an_unknown_test_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ValidationError, match="unknown test 'welsh'; did you mean 'welch'"):
        CompareConfig(tests=("welsh",))
    with pytest.raises(ValidationError, match=r"set compare\.primary"):
        CompareConfig(tests=("multi_bootstrap",))
    assert CompareConfig.model_validate({"tests": ["tost", "welch", "tost"]}).tests == ("tost", "welch")


def test_a_test_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    source = csv(tmp_path / "x.csv", {"x": [0.1, 0.2, 0.4], "y": [0.2, 0.1, 0.3]})
    found = analyze([source], options=CompareConfig(tests=("tost", "cochran_q", "mcnemar", "kendall_w")))
    notes = found.optional.set_index("test")["note"]
    assert "compare.rope" in notes["tost"]
    assert "three systems" in notes["cochran_q"]
    assert "three systems" in notes["kendall_w"]
    assert "item predictions" in notes["mcnemar"]
    json.dumps(found.to_json(), allow_nan=False)


def test_without_wishes_there_is_no_extra_table(tmp_path: Path) -> None:
    found = analyze([csv(tmp_path / "x.csv", {"x": [0.1, 0.2], "y": [0.2, 0.1]})])
    assert found.optional.empty
    assert found.to_json()["extra"] == []
    assert "optional_tests.csv" not in tables(found)


def test_where_less_is_better_dominance_and_ranks_turn(tmp_path: Path) -> None:
    source = csv(tmp_path / "x.csv", {"x": [0.1, 0.2, 0.15, 0.12], "y": [0.5, 0.65, 0.53, 0.54]})
    options = CompareConfig(tests=("almost_stochastic_order", "bayesian_signed_rank"), direction="minimize")
    extra = analyze([source], options=options).to_json()["extra"]
    assert extra[0]["details"]["ratio_first"] == 0.0
    assert extra[1]["details"]["probability_first"] > 0.9


def failing(collapsed: bool) -> pd.DataFrame:
    noise = np.random.default_rng(0).normal(0, 0.01, size=(2, 10))
    scores = {"x": [*(0.82 + noise[0][:9]).tolist(), None], "y": (0.8 + noise[1]).tolist()}
    table = pd.DataFrame(rows(scores))[["system", "seed", "score", "status"]]
    if collapsed:
        table.loc[len(table)] = ["z", 42, 0.2, "collapsed"]
    return table


def test_failures_are_also_scored_at_the_baseline_and_what_that_changes_is_said(tmp_path: Path) -> None:
    failing(collapsed=True).to_csv(tmp_path / "x.csv", index=False)
    found = analyze([tmp_path / "x.csv"])
    row = found.sensitivity.set_index(["a", "b"]).loc[("x", "y")]
    assert (row["baseline"], row["at_baseline_a"], row["at_baseline_b"], row["n_pairs"]) == (0.2, 1, 0, 10)
    assert row["mean_diff"] < 0.0 < found.comparisons.set_index(["a", "b"]).loc[("x", "y"), "mean_diff"]
    assert row["changed"] == (row["verdict"] != row["main_verdict"])
    assert any("majority baseline (0.2)" in text for text in found.warnings)
    assert "failure_sensitivity.csv" in tables(found)


def test_without_a_baseline_the_missing_table_is_explained(tmp_path: Path) -> None:
    failing(collapsed=False).to_csv(tmp_path / "x.csv", index=False)
    found = analyze([tmp_path / "x.csv"])
    assert found.sensitivity.empty
    assert any("cannot be scored at the majority baseline" in text for text in found.warnings)


def test_the_baseline_comes_from_the_gold_labels_where_there_are_predictions() -> None:
    results = study(draw_hits(1, items=90))
    results.runs.loc[3, ["score", "status"]] = [np.nan, "diverged"]
    found = analyze_results(results, options=CompareConfig(resamples=1_000))
    assert found.comparisons["primary_method"].tolist() == ["multi_bootstrap"]
    assert found.sensitivity["baseline"].tolist() == [pytest.approx(60 / 90)]
    assert found.sensitivity["primary_method"].tolist() == ["multi_bootstrap"]  # only the runs change, never the test


def test_failures_of_both_systems_at_one_seed_change_no_verdict() -> None:
    """Their difference at that seed is 0. Tests over seeds alone would no longer decide, but nothing else changes."""
    results = study(draw_hits(3, seeds=6, items=300, gain=2.0))
    results.runs.loc[[2, 8], ["score", "status"]] = [np.nan, "diverged"]
    found = analyze_results(results, options=CompareConfig(resamples=1_000))
    (row,) = found.sensitivity.to_dict("records")
    assert (row["at_baseline_a"], row["at_baseline_b"], row["n_pairs"]) == (1, 1, 6)
    assert row["main_verdict"] == row["same_test_verdict"] == "better"
    assert (row["verdict"], row["changed"]) == ("better", False)


def test_where_failures_need_another_test_their_verdict_stands_beside_that_test_alone() -> None:
    """Texts, say, have no majority label: five seeds decide nothing over seeds alone, with and without failures."""
    results = study(draw_hits(3, seeds=6, items=300, gain=2.0))
    results.runs.loc[[2, 8], ["score", "status"]] = [np.nan, "diverged"]
    results.runs.loc[3, "status"] = "collapsed"
    config = CompareConfig(resamples=1_000)
    items = replace(
        read_item_counts(results.runs, results.predictions, "accuracy"), baseline=None, baseline_counts=None
    )
    design = read_design(results.runs, config, items)
    rows, _ = compare_all(results.runs, ["s0", "s1"], design, config, 0, items)
    (row,) = score_failures(results.runs, rows, design, config, 0, items).pairs.to_dict("records")
    assert (row["main_verdict"], row["same_test_verdict"], row["verdict"]) == ("better", "undecidable", "inconclusive")
    assert row["baseline"] == results.runs.loc[3, "score"]


def test_over_seeds_on_one_split_all_systems_together_are_not_tested_and_a_wish_for_it_is_answered_with_its_level(
    tmp_path: Path,
) -> None:
    """There, such tests separate equal systems in 38 to 74% of cases, and the figure is what people paste."""
    source = csv(tmp_path / "x.csv", {name: np.random.default_rng(k).random(8) for k, name in enumerate("xyz")})
    found = analyze([source], options=CompareConfig(tests=("friedman",)))
    assert found.omnibus == {}
    assert "Friedman" not in found.headline
    assert "38 to 74%" in found.optional["note"].iloc[0]
    assert not any(name.startswith("figures/critical_difference") for name in render(found))


def test_three_systems_over_splits_get_every_omnibus_test(tmp_path: Path) -> None:
    table = pd.DataFrame(rows({name: np.random.default_rng(k).random(8) for k, name in enumerate("xyz")}))
    table[["system", "seed", "score"]].assign(split_seed=table["seed"]).to_csv(tmp_path / "x.csv", index=False)
    found = analyze([tmp_path / "x.csv"])
    assert set(found.omnibus) == {"friedman", "nemenyi", "repeated_measures_anova"}
    anova = found.to_json()["omnibus"]["repeated_measures_anova"]
    assert 0.5 <= anova["epsilon"] <= 1.0
    assert anova["n"] == 8


def test_an_open_pair_is_told_how_many_seeds_show_the_stated_difference_and_never_the_observed_one(
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(2).normal(0, 0.01, size=(2, 10))
    source = csv(tmp_path / "x.csv", {"x": 0.802 + noise[0], "y": 0.8 + noise[1]})
    found = analyze([source], options=CompareConfig(rope=0.003))
    pair = found.comparisons.iloc[0]
    assert pair["verdict"] == "inconclusive"
    low, best, high = (int(pair[f"seeds_to_decide{end}"]) for end in ("_low", "", "_high"))
    assert 10 < low < best < high
    words = f"to show a true difference of 0.003 in 80% of experiments takes {low} to {high} seeds (best guess {best})"
    assert pair["advice"] == words
    unstated = analyze([source])
    assert unstated.comparisons[["seeds_to_decide", "advice"]].isna().all(axis=None)
    assert any("state it (compare.rope)" in text for text in unstated.warnings)
