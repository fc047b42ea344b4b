"""The answer as a whole: numbers, verdicts, warnings, words, and that the same input gives the same answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.analyze import Analysis, analyze
from analysis.config import CompareConfig
from analysis.report.write import put, render, tables
from analysis.tables.schema import read_parquet
from tests.analysis.frames import Scores, csv, rows, write_compacted

KEYS = (
    "a b n_pairs mean_diff ci_low ci_high t df p p_holm p_sign_flip wilcoxon_p dz hedges_gz prob_superiority a12 "
    "primary verdict"
)


def draws(**systems: tuple[float, int]) -> dict[str, list[float]]:
    """Scores with a seed effect that the systems share: name -> (mean, number of seeds)."""
    shared = np.random.default_rng(0).normal(0, 0.01, size=40)
    return {
        name: (mean + shared[:n] + np.random.default_rng(place).normal(0, 0.004, size=n)).round(6).tolist()
        for place, (name, (mean, n)) in enumerate(systems.items(), start=1)
    }


def answer(tmp_path: Path, scores: Scores, options: CompareConfig | None = None, **columns: Any) -> Analysis:
    return analyze([csv(tmp_path / "x.csv", scores, **columns)], options=options)


def verdicts(analysis: Analysis) -> dict[tuple[str, str], str]:
    table = analysis.comparisons
    return dict(zip(zip(table["a"], table["b"], strict=True), table["verdict"], strict=True))


def test_the_sleep_data_give_the_known_numbers_in_the_documented_keys(tmp_path: Path) -> None:
    sleep = {
        "drug 1": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
        "drug 2": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    }
    document = answer(tmp_path, sleep).to_json()
    (pair,) = document["comparisons"]
    assert set(KEYS.split()) <= set(pair)
    assert (pair["a"], pair["b"], pair["n_pairs"], pair["df"]) == ("drug 2", "drug 1", 10, 9)
    assert pair["mean_diff"] == pytest.approx(1.58)
    assert pair["t"] == pytest.approx(4.062128, abs=6e-7)
    assert pair["p"] == pair["p_holm"] == pytest.approx(0.00283289, abs=6e-9)
    assert (pair["ci_low"], pair["ci_high"]) == pytest.approx((0.700114, 2.459886), abs=6e-7)
    assert pair["p_sign_flip"] == pair["wilcoxon_p"] == 0.00390625
    assert (pair["dz"], pair["hedges_gz"]) == pytest.approx((1.284558, 1.173925), abs=6e-7)
    assert pair["prob_superiority"] == 0.95
    assert pair["a12"] == pytest.approx(0.745)
    assert pair["primary"]["method"] == "paired_t_and_sign_flip"
    assert pair["primary"]["p"] == pair["primary"]["p_holm"] == 0.00390625
    assert set(pair["primary"]) == {"method", "p", "p_holm", "df", "ci_low", "ci_high"}
    assert (pair["primary"]["df"], "primary_df" in pair) == (9, False)
    assert pair["verdict"] == "better"
    first = document["systems"][0]
    assert (first["system"], first["n"], first["mean"]) == ("drug 2", 10, pytest.approx(2.33))
    assert first["std"] == pytest.approx(np.std(sleep["drug 2"], ddof=1))
    assert (first["min"], first["max"], first["median"]) == (-0.1, 5.5, pytest.approx(1.75))


def test_three_systems_with_seven_seeds_are_decided_after_holm(tmp_path: Path) -> None:
    found = answer(tmp_path, draws(best=(0.8, 7), middle=(0.75, 7), last=(0.5, 7)))
    assert set(verdicts(found).values()) == {"better"}
    assert found.comparisons["primary_p_holm"].tolist() == pytest.approx([3 / 64] * 3)
    assert found.headline == (
        "On score: best is the best of 3 systems, with 95% confidence. best is better than middle (by 0.0509, Holm p "
        "0.0469) and last (by 0.302, Holm p 0.0469). middle is better than last (by 0.252, Holm p 0.0469). "
        "Test: paired t and exact sign-flip."
    )


def test_five_seeds_are_undecidable_and_the_answer_says_how_many_it_takes(tmp_path: Path) -> None:
    found = answer(tmp_path, draws(best=(0.8, 5), middle=(0.75, 5), last=(0.5, 5)))
    assert set(verdicts(found).values()) == {"undecidable"}
    assert "No system is shown to be better than another." in found.headline
    assert "it takes at least 7 seeds" in found.headline
    assert found.comparisons["ci_low"].notna().all()


@pytest.mark.parametrize(
    ("n", "has_interval", "warning"),
    [
        (2, False, "descriptive only"),
        (3, True, "no verdict"),
        (4, True, "no verdict"),
        (6, True, "so few"),
        (9, True, "so few"),
    ],
)
def test_few_pairs_are_described_and_warned_about(tmp_path: Path, n: int, has_interval: bool, warning: str) -> None:
    found = answer(tmp_path, draws(x=(0.8, n), y=(0.5, n)))
    assert found.comparisons["ci_low"].notna().all() == has_interval
    assert found.comparisons["primary_p"].notna().all() == (n >= 5)
    assert any(warning in text for text in found.warnings)


def test_ten_pairs_need_no_warning(tmp_path: Path) -> None:
    assert answer(tmp_path, draws(x=(0.8, 10), y=(0.5, 10))).warnings == ()


def test_runs_are_paired_by_seed_and_not_by_row_and_lonely_ones_are_named(tmp_path: Path) -> None:
    scores = draws(x=(0.8, 10), y=(0.75, 11))
    table = pd.DataFrame(rows(scores))[["system", "seed", "score"]].sample(frac=1, random_state=3)
    table.to_csv(tmp_path / "shuffled.csv", index=False)
    shuffled = analyze([tmp_path / "shuffled.csv"])
    ordered = answer(tmp_path, scores)
    pd.testing.assert_frame_equal(shuffled.comparisons, ordered.comparisons)
    expected = np.mean(np.array(scores["x"]) - np.array(scores["y"][:10]))
    assert ordered.comparisons["mean_diff"][0] == pytest.approx(expected)
    assert ordered.comparisons["dropped_pairs"][0] == 1
    assert "x against y: 1 run has no partner: seed 52" in ordered.warnings


def test_the_direction_turns_the_verdict_and_not_the_difference(tmp_path: Path) -> None:
    found = answer(tmp_path, draws(low=(0.5, 8), high=(0.8, 8)), CompareConfig(direction="minimize"))
    assert found.systems["system"].tolist() == ["low", "high"]
    pair = found.comparisons.iloc[0]
    assert (pair["a"], pair["verdict"]) == ("low", "better")
    assert pair["mean_diff"] < 0
    assert (pair["prob_superiority"], pair["a12"]) == (1.0, 1.0)
    assert "low is better than high by 0.29" in found.headline


def test_a_region_of_equivalence_makes_tiny_differences_equivalent(tmp_path: Path) -> None:
    scores = draws(x=(0.8, 12), y=(0.801, 12))
    assert set(verdicts(answer(tmp_path, scores)).values()) == {"inconclusive"}
    found = answer(tmp_path, scores, CompareConfig(rope=0.02))
    assert set(verdicts(found).values()) == {"equivalent"}
    assert "practically equivalent: the difference lies within 0.02 of zero" in found.headline


def test_tests_that_disagree_are_inconclusive(tmp_path: Path) -> None:
    difference = [0.002, 0.003, 0.004, 0.005, 0.006, 0.0, -0.001]
    found = answer(tmp_path, {"x": [0.5 + d for d in difference], "y": [0.5] * 7})
    pair = found.comparisons.iloc[0]
    assert pair["p"] < 0.05 <= pair["p_sign_flip"]
    assert pair["verdict"] == "inconclusive"
    assert "do not agree" in pair["reason"]


def test_a_constant_difference_is_deterministic_and_a_constant_system_is_named(tmp_path: Path) -> None:
    found = answer(tmp_path, {"x": [0.9, 0.9, 0.9, 0.9, 0.9, 0.9], "y": [0.8] * 6})
    pair = found.comparisons.iloc[0]
    assert (pair["verdict"], pair["reason"]) == ("undecidable", "deterministic: difference = 0.1, no test")
    assert np.isnan(pair["p"])
    assert "x: seed has no effect: all 6 scores are 0.9" in found.warnings
    json.dumps(found.to_json(), allow_nan=False)


def test_collapsed_runs_stay_in_and_are_named(tmp_path: Path) -> None:
    table = pd.DataFrame(rows(draws(x=(0.8, 10), y=(0.5, 10))))[["system", "seed", "score", "status"]]
    table.loc[3, ["score", "status"]] = [0.1, "collapsed"]
    table.to_csv(tmp_path / "x.csv", index=False)
    found = analyze([tmp_path / "x.csv"])
    assert found.systems.set_index("system").loc["x", ["n", "min", "collapsed"]].tolist() == [10, 0.1, 1]
    assert any(
        text.startswith("x: 1 of 10 runs collapsed (the same output for every item; exact") for text in found.warnings
    )


def test_unequal_failure_rates_block_the_verdict_unless_allowed(tmp_path: Path) -> None:
    scores: dict[str, list[float | None]] = {**draws(x=(0.8, 10), y=(0.5, 10))}
    scores["y"][8:] = [None, None]
    found = answer(tmp_path, scores)
    pair = found.comparisons.iloc[0]
    assert (pair["verdict"], pair["failure_difference"]) == ("inconclusive", -0.2)
    assert "0 of 10 and 2 of 10 runs have no score" in pair["reason"]
    assert pair["failure_p"] == pytest.approx(0.473684, abs=5e-7)
    assert any("failure rates differ by 20%" in text for text in found.warnings)
    allowed = answer(tmp_path, scores, CompareConfig(allow_unequal_failures=True))
    assert allowed.comparisons["verdict"][0] == "better"
    scores["y"][8] = 0.5
    assert answer(tmp_path, scores).comparisons["verdict"][0] == "better"


def test_pruned_runs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("system,seed,score,status\na,1,0.5,completed\nb,1,0.4,pruned\n")
    with pytest.raises(ValueError, match="1 runs were pruned by a search"):
        analyze([tmp_path / "x.csv"])


def test_scores_selected_on_the_evaluation_data_are_marked(tmp_path: Path) -> None:
    scores = draws(x=(0.8, 10), y=(0.5, 10))
    marked = answer(tmp_path, scores, selected_on="validation", score_split="validation")
    assert marked.systems["selected_on_evaluation"].all()
    assert marked.warnings[0].startswith("selected on evaluation data: all systems")
    honest = answer(tmp_path, scores, selected_on="validation", score_split="test")
    assert not honest.systems["selected_on_evaluation"].any()


def test_a_control_that_is_not_worse_makes_the_experiment_insensitive(tmp_path: Path) -> None:
    scores = draws(good=(0.8, 8), broken=(0.3, 8), alike=(0.798, 8))
    fine = answer(tmp_path, scores, CompareConfig(controls={"broken": "negative"}))
    assert fine.systems.set_index("system").loc["broken", "control"] == "negative"
    assert not any("sensitive" in text for text in fine.warnings)
    blind = answer(tmp_path, scores, CompareConfig(controls={"alike": "negative", "typo": "negative"}))
    assert any("not sensitive: negative control alike is not shown to be worse than" in text for text in blind.warnings)
    assert "control 'typo' is not a system or recipe of these runs" in blind.warnings


def folds(scores: Scores, **columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(rows(scores))[["system", "seed", "score"]]
    return table.assign(split_seed=table["seed"], **columns)


def test_splits_that_vary_are_judged_by_the_corrected_resampled_t(tmp_path: Path) -> None:
    table = folds(draws(x=(0.8, 10), y=(0.79, 10)), train_items=800, evaluation_items=200)
    table.to_csv(tmp_path / "x.csv", index=False)
    found = analyze([tmp_path / "x.csv"])
    pair = found.comparisons.iloc[0]
    shrink = np.sqrt((1 / 10) / (1 / 10 + 0.25))
    assert pair["primary_method"] == "corrected_resampled_t"
    assert np.isnan(pair["p_sign_flip"])
    assert pair["primary_p"] > pair["p"]
    half_widths = (pair["ci_high"] - pair["ci_low"]) / (pair["primary_ci_high"] - pair["primary_ci_low"])
    assert half_widths == pytest.approx(shrink)
    assert "new train/test draws" in found.claim
    assert any("splits vary between runs" in text for text in found.warnings)


def test_varying_splits_without_item_counts_are_undecidable_and_say_what_is_missing(tmp_path: Path) -> None:
    folds(draws(x=(0.8, 10), y=(0.5, 10))).to_csv(tmp_path / "x.csv", index=False)
    pair = analyze([tmp_path / "x.csv"]).comparisons.iloc[0]
    assert pair["verdict"] == "undecidable"
    assert "train_items and evaluation_items" in pair["reason"]


def test_folds_need_no_item_counts_and_seeds_on_one_fold_are_averaged_first(tmp_path: Path) -> None:
    scores = draws(x=(0.8, 20), y=(0.78, 20))
    table = folds(scores).assign(split_seed=1)
    table["fold"] = table["seed"] % 10
    table.to_csv(tmp_path / "x.csv", index=False)
    pair = analyze([tmp_path / "x.csv"]).comparisons.iloc[0]
    means = table.groupby(["system", "fold"])["score"].mean()
    difference = (means["x"] - means["y"]).to_numpy()
    statistic = difference.mean() / (difference.std(ddof=1) * np.sqrt(1 / 10 + 1 / 9))
    margin = difference.mean() / statistic * 2.262157
    assert pair["n_pairs"] == 20
    assert (pair["primary_ci_low"], pair["primary_ci_high"]) == pytest.approx(
        (difference.mean() - margin, difference.mean() + margin), rel=1e-5
    )


def test_a_fixed_split_claims_nothing_about_new_data(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows(draws(x=(0.8, 10), y=(0.5, 10))))
    found = analyze([tmp_path])
    assert "conditional on this split" in found.claim
    assert any("conditional on this split: " in text for text in found.warnings)
    assert found.metric == "weighted_f1"


def test_the_experiment_file_decides_the_metric_and_alpha(tmp_path: Path) -> None:
    listed = [{**row, "metric_accuracy": row["score"] / 2} for row in rows(draws(x=(0.8, 10), y=(0.5, 10)))]
    write_compacted(tmp_path, listed)
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump({"compare": {"metric": "accuracy", "alpha": 0.01}}))
    found = analyze([tmp_path])
    assert (found.metric, found.alpha) == ("accuracy", 0.01)
    assert found.systems["mean"][0] == pytest.approx(0.4, abs=0.01)
    assert found.results.runs["score"].max() < 0.5
    with pytest.raises(ValueError, match="no metric 'bleu'; they have: accuracy, weighted_f1"):
        analyze([tmp_path], options=CompareConfig(metric="bleu"))


def test_scores_of_several_metrics_need_a_choice(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("system,seed,score,metric\na,1,0.5,f1\nb,1,0.6,accuracy\n")
    with pytest.raises(ValueError, match=r"several metrics \(accuracy, f1\); name one with --metric"):
        analyze([tmp_path / "x.csv"])


def test_one_system_is_described_and_nothing_is_compared(tmp_path: Path) -> None:
    found = answer(tmp_path, draws(only=(0.8, 6)))
    assert found.comparisons.empty
    assert found.headline == "Only only has runs: there is nothing to compare."
    assert found.to_json()["comparisons"] == []


def test_a_system_without_any_score_is_listed_and_undecidable(tmp_path: Path) -> None:
    found = answer(tmp_path, {"x": [0.8] * 3, "gone": [None] * 3})
    assert found.systems["system"].tolist() == ["x", "gone"]
    assert found.systems["n"].tolist() == [3, 0]
    assert found.comparisons["verdict"][0] == "undecidable"
    assert "gone: no run has a score" in found.warnings
    json.dumps(found.to_json(), allow_nan=False)


def test_the_same_input_gives_the_same_answer_also_with_monte_carlo(tmp_path: Path) -> None:
    scores = draws(x=(0.8, 20), y=(0.797, 20))
    first, second = answer(tmp_path, scores).to_json(), answer(tmp_path, scores).to_json()
    assert first == second
    other = analyze([tmp_path / "x.csv"], generator_seed=1).to_json()
    assert other["provenance"]["generator_seed"] == 1
    assert other["comparisons"][0]["p"] == first["comparisons"][0]["p"]


def test_a_fixed_primary_test_is_used_and_named(tmp_path: Path) -> None:
    scores = draws(x=(0.8, 5), y=(0.5, 5))
    assert answer(tmp_path, scores, CompareConfig(primary="paired_t")).comparisons["verdict"][0] == "better"
    flip = answer(tmp_path, scores, CompareConfig(primary="sign_flip")).comparisons.iloc[0]
    assert (flip["primary_method"], flip["verdict"]) == ("sign_flip", "undecidable")


def test_the_tables_are_written_as_csv_and_parquet_with_the_same_rows(tmp_path: Path) -> None:
    found = answer(tmp_path, draws(x=(0.8, 8), y=(0.5, 8), z=(0.4, 8)))
    files = tables(found)
    assert sorted(files) == [
        "statistical_tests.csv", "statistical_tests.parquet", "summary_statistics.csv", "summary_statistics.parquet",
    ]  # fmt: skip
    for name, rows_expected in (("statistical_tests", 3), ("summary_statistics", 3)):
        (tmp_path / f"{name}.csv").write_bytes(files[f"{name}.csv"])
        parquet, text = read_parquet(files[f"{name}.parquet"]).to_pandas(), pd.read_csv(tmp_path / f"{name}.csv")
        assert len(parquet) == len(text) == rows_expected
        assert list(parquet.columns) == list(text.columns)
    assert "p_holm" in pd.read_csv(tmp_path / "statistical_tests.csv").columns


def test_everything_is_written_where_it_is_asked_for_a_uri_included(tmp_path: Path) -> None:
    found = answer(tmp_path, draws(x=(0.8, 3)))
    target = tmp_path / "it's\nhere"
    files = render(found)
    names = put(files, target)
    assert {"report.html", "summary_statistics.csv", "statistical_tests.parquet", "figures/score_boxplot.csv"} <= set(
        names
    )
    assert all((target / name).stat().st_size > 0 for name in names)
    assert put(files, (tmp_path / "again").as_uri()) == names
    assert all((tmp_path / "again" / name).read_bytes() == (target / name).read_bytes() for name in names)


def test_planning_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys, analysis.config, analysis.comparison.design, analysis.registry, analysis.metrics.weighted_f1; "
        "analysis.comparison.design.seeds_needed(3); analysis.registry.names('test'); "
        "print([name for name in ('pandas', 'pyarrow', 'scipy', 'statsmodels', 'matplotlib', 'torch', 'ray') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_and_comparing_load_neither_torch_nor_ray_nor_the_rest_of_the_product() -> None:
    code = (
        "import sys, analysis.analyze; "
        "print([name for name in ('torch', 'ray', 'orchestrator', 'trainables', 'scipy', 'statsmodels', 'matplotlib') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
