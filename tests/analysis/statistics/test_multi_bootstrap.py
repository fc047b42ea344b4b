"""The headline test: items and seeds at once, any metric, whole clusters, and honest where seeds alone are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import registry
from analysis.analyze import analyze_results
from analysis.comparison.design import KNOWN_CLUSTERS
from analysis.comparison.item_counts import NotShared, read_item_counts
from analysis.config import CompareConfig
from analysis.inference.interface import TestOptions
from analysis.inference.resampling import compact, draw_weights, resampled_scores
from analysis.metrics import answers
from analysis.statistics import multi_bootstrap, paired_t
from analysis.tables.read import Results
from tests.analysis.items import draw_hits, study

QUICK = CompareConfig(resamples=2_000)


def options(seed: int = 0, resamples: int = 2_000) -> TestOptions:
    return TestOptions(generator=np.random.default_rng(seed), resamples=resamples)


def test_the_parts_of_the_variance_are_those_of_an_analysis_of_variance() -> None:
    scores = draw_hits(1, seeds=6, items=150).transpose(2, 1, 0)
    difference = scores[..., 0] - scores[..., 1]
    result = multi_bootstrap.run(scores, options(resamples=20_000))
    items, seeds = difference.shape
    of_seeds = difference.mean(axis=0).var(ddof=1) / seeds
    shared = difference.mean(axis=1).var(ddof=1) / items
    single = difference.var(axis=0, ddof=1).mean() / items
    answers_part = (single - shared) / (seeds - 1)
    assert result.details["variance_seeds"] == pytest.approx(of_seeds)
    assert result.details["variance_items"] == pytest.approx(shared - answers_part, rel=0.05)
    assert result.details["mean"] == pytest.approx(difference.mean())


def test_systems_that_differ_item_by_item_fool_the_paired_t_and_not_the_multi_bootstrap() -> None:
    rejected = {"seeds": 0, "items and seeds": 0}
    for number in range(150):
        scores = draw_hits(number, items=186, apart=2.0).transpose(2, 1, 0)
        rejected["seeds"] += (paired_t.run(scores.mean(axis=0), TestOptions()).p or 1) < 0.05
        rejected["items and seeds"] += (multi_bootstrap.run(scores, options(number, 500)).p or 1) < 0.05
    assert rejected["seeds"] > 30
    assert rejected["items and seeds"] <= 15


def test_without_item_effects_it_is_as_wide_as_the_paired_t_over_seeds() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(1, 12, 2)) + np.zeros((400, 1, 1))
    ours, theirs = multi_bootstrap.run(scores, options()), paired_t.run(scores[0], TestOptions())
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.p))


def test_without_seed_effects_it_is_the_paired_t_over_items() -> None:
    items = np.random.default_rng(0).normal(size=(80, 1, 2))
    result = multi_bootstrap.run(np.repeat(items, 5, axis=1), options(resamples=40_000))
    theirs = paired_t.run(items[:, 0], TestOptions())
    assert result.statistic == pytest.approx(theirs.statistic, rel=0.02)
    assert result.p == pytest.approx(theirs.p, abs=0.02)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1", "micro_f1"])
def test_resampled_scores_are_those_of_the_items_repeated(metric: str) -> None:
    generator = np.random.default_rng(4)
    gold, first, second = generator.choice(list("OABC"), size=(3, 40)).tolist()
    definition = registry.load("metric", metric)
    items = np.sort(generator.integers(0, 12, size=40))
    counts = [definition.counts(answers(gold, said, items)) for said in (first, second)]
    scores = resampled_scores([compact(own) for own in counts], definition.value, 50, np.random.default_rng(9))
    weights = np.concatenate(list(draw_weights(np.random.default_rng(9), 50, len(counts[0]))))
    assert (weights.sum(axis=1) == len(counts[0])).all()
    for row, drawn in zip(scores, weights, strict=True):
        expected = [definition.weighted(gold, said, drawn, items) for said in (first, second)]
        assert row == pytest.approx(expected)


def test_scores_are_the_same_in_whatever_chunks_they_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [np.random.default_rng(run).random((30, 4)) for run in range(5)]
    whole = resampled_scores(counts, lambda sums: sums.sum(axis=-1), 40, np.random.default_rng(0))
    monkeypatch.setattr("analysis.inference.resampling._GROUP_COLUMNS", 5)
    apart = resampled_scores(counts, lambda sums: sums.sum(axis=-1), 40, np.random.default_rng(0))
    assert whole == pytest.approx(apart)


def test_counts_are_kept_in_the_smallest_type_that_holds_them() -> None:
    assert compact(np.array([[0.0, 255.0]])).dtype == np.uint8
    assert compact(np.array([[0.0, 256.0]])).dtype == np.float32
    assert compact(np.array([[0.5, 1.0]])).dtype == np.float64


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_predictions_make_it_the_primary_test_and_widen_the_claim(metric: str) -> None:
    found = analyze_results(study(draw_hits(3, gain=1.2, systems=3), metric), options=QUICK)
    pair = found.comparisons[found.comparisons["a"] == "s0"].iloc[0]
    assert pair["primary_method"] == "multi_bootstrap"
    assert pair["verdict"] == "better"
    assert pair["n_items"] == 200
    assert pair["primary_ci_low"] < pair["ci_low"] < pair["mean_diff"]
    assert found.claim.startswith("These recipes on new items from this distribution")
    assert "Tests over seeds alone are conditional on this split" in found.claim
    assert found.provenance["resamples"]["multi_bootstrap"] == 2_000


def test_five_seeds_can_decide_when_items_are_resampled_too() -> None:
    found = analyze_results(study(draw_hits(3, seeds=5, gain=1.5)), options=QUICK)
    assert found.comparisons["verdict"].tolist() == ["better"]
    assert any("only 5 seeds in common" in text for text in found.warnings)
    four = analyze_results(study(draw_hits(3, seeds=4, gain=1.5)), options=QUICK)
    assert four.comparisons["verdict"].tolist() == ["undecidable"]


def test_whole_clusters_are_resampled_and_few_of_them_are_said() -> None:
    hits = np.repeat(draw_hits(5, items=25, apart=3.0), 8, axis=2)
    alone = analyze_results(study(hits), options=QUICK).comparisons.iloc[0]
    names = [f"paragraph {k // 8}" for k in range(200)]
    together = analyze_results(study(hits, clusters=names), options=QUICK)
    pair = together.comparisons.iloc[0]
    assert pair["n_items"] == 25
    assert pair["primary_ci_high"] - pair["primary_ci_low"] > 1.5 * (alone["primary_ci_high"] - alone["primary_ci_low"])
    assert "25 clusters of items" in together.claim
    few = analyze_results(study(hits, clusters=[f"{k // 20}" for k in range(200)]), options=QUICK)
    assert any("only 10 clusters of items" in text for text in few.warnings)


def test_a_claim_over_clusters_says_so_and_says_less_if_training_knows_the_clusters() -> None:
    results = study(draw_hits(5, items=60), clusters=[f"article {k // 2}" for k in range(60)])
    found = analyze_results(results, options=QUICK)
    assert found.claim.startswith("These recipes on new clusters of items from this distribution, with new training")
    assert "30 clusters of items" in found.claim
    note = f"4 of 60 evaluation items share a cluster with training items: {KNOWN_CLUSTERS}"
    known = analyze_results(replace(results, warnings=(*results.warnings, note)), options=QUICK)
    assert known.claim.startswith(
        "These recipes on new items from this distribution, some of them from clusters that training knows, with new"
    )


def test_runs_with_smaller_clusters_of_an_earlier_version_are_analysed_with_the_others() -> None:
    """Questions of one data set: earlier runs name the paragraph as the cluster, later ones the article."""
    articles, paragraphs = [f"article {k // 8}" for k in range(240)], [f"paragraph {k // 2}" for k in range(240)]
    later = study(draw_hits(5, items=240), clusters=articles)
    expected = analyze_results(later, options=QUICK)
    earlier = [name for name in later.runs["run_id"] if str(name).endswith(("-0", "-3"))]
    predictions = later.predictions.copy()
    for name in earlier:
        predictions.loc[predictions["run_id"] == name, "cluster"] = paragraphs
    mixed = analyze_results(replace(later, predictions=predictions), options=QUICK)
    assert "30 clusters of items" in mixed.claim
    assert mixed.comparisons["primary_method"].tolist() == ["multi_bootstrap"]
    pd.testing.assert_frame_equal(mixed.comparisons, expected.comparisons)


def test_items_that_share_nothing_stay_units_of_their_own() -> None:
    results = study(draw_hits(5, items=30), clusters=["a"] * 10 + [None] * 20)
    found = read_item_counts(results.runs, results.predictions, "accuracy")
    assert (found.num_items, found.num_units) == (30, 21)


def test_the_same_seed_gives_the_same_answer_and_another_one_nearly() -> None:
    results = study(draw_hits(3, apart=2.0))
    first, second = (analyze_results(results, options=QUICK).to_json() for _ in range(2))
    assert first == second
    other = analyze_results(results, options=QUICK, generator_seed=1).comparisons.iloc[0]
    assert other["primary_p"] == pytest.approx(first["comparisons"][0]["primary"]["p"], abs=0.02)


def test_the_order_of_rows_and_runs_does_not_matter() -> None:
    results = study(draw_hits(3))
    shuffled = replace(results, predictions=results.predictions.sample(frac=1, random_state=0, ignore_index=True))
    pd.testing.assert_frame_equal(
        analyze_results(results, options=QUICK).comparisons, analyze_results(shuffled, options=QUICK).comparisons
    )


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "micro_f1", "matthews_correlation"])
def test_one_missing_prediction_is_a_miss_and_takes_nothing_away(metric: str) -> None:
    """Whatever pandas makes of the missing text is no class: the score is that of the run, and items are resampled."""
    results = study(draw_hits(3), metric)
    said = results.predictions.copy()
    said.loc[(said["run_id"] == "0-0") & (said["item"] == "i7"), "predicted"] = None
    own = said[said["run_id"] == "0-0"]
    predicted = [text if isinstance(text, str) else None for text in own["predicted"]]
    score = registry.load("metric", metric).score(own["gold"].tolist(), predicted)
    runs = results.runs.assign(score=results.runs["score"].mask(results.runs["run_id"] == "0-0", score))
    found = analyze_results(replace(results, runs=runs, predictions=said), options=QUICK)
    assert found.comparisons["primary_method"].tolist() == ["multi_bootstrap"]
    assert found.comparisons["n_items"].tolist() == [200]
    assert not [text for text in found.warnings if "seeds alone" in text]


def without_a_system(results: pd.DataFrame) -> pd.DataFrame:
    return results[results["run_id"].str.startswith("0-")]


def with_other_gold(results: pd.DataFrame) -> pd.DataFrame:
    changed = results.copy()
    changed.loc[(changed["run_id"] == "1-3") & (changed["item"] == "i7"), "gold"] = "maybe"
    return changed


def with_other_answers(results: pd.DataFrame) -> pd.DataFrame:
    changed = results.copy()
    changed.loc[changed["run_id"] == "1-3", "predicted"] = "yes"
    return changed


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without_a_system, "10 of 20 runs have no item predictions, first s1 seed 42"),
        (with_other_gold, "different gold labels (first difference: s1 seed 45)"),
        (with_other_answers, "accuracy of the predictions of s1 seed 45 is"),
    ],
)
def test_predictions_that_do_not_fit_leave_the_seeds_alone_and_say_why(change: object, why: str) -> None:
    results = study(draw_hits(3))
    found = analyze_results(replace(results, predictions=change(results.predictions)), options=QUICK)  # type: ignore[operator]
    assert found.comparisons["primary_method"].tolist() == ["paired_t_and_sign_flip"]
    assert "conditional on this split" in found.claim
    assert any(why in text for text in found.warnings)


def test_a_test_over_items_that_was_fixed_beforehand_is_never_replaced() -> None:
    results = study(draw_hits(3, gain=1.5))
    options = CompareConfig(primary="multi_bootstrap", resamples=1_000)
    found = analyze_results(replace(results, predictions=results.predictions.iloc[:0]), options=options)
    assert found.comparisons["verdict"].tolist() == ["undecidable"]
    assert "needs item predictions" in found.comparisons["reason"][0]
    seeds = analyze_results(results, options=CompareConfig(primary="paired_t"))
    assert seeds.comparisons["primary_method"].tolist() == ["paired_t"]


def test_a_metric_without_item_counts_is_named() -> None:
    results = study(draw_hits(3))
    with pytest.raises(NotShared, match="perplexity cannot be computed from item predictions"):
        read_item_counts(results.runs, results.predictions, "perplexity")


def test_predictions_of_the_part_that_was_scored_are_used() -> None:
    results = study(draw_hits(3))
    both = pd.concat([results.predictions, results.predictions.assign(split="test", predicted="yes")])
    found = analyze_results(replace(results, predictions=both), options=QUICK)
    assert found.comparisons["primary_method"].tolist() == ["multi_bootstrap"]


def test_identical_answers_allow_no_test_and_one_item_none_either() -> None:
    same = np.repeat(draw_hits(3)[:1], 2, axis=0)
    found = analyze_results(study(same), options=QUICK).comparisons.iloc[0]
    assert (found["verdict"], found["reason"]) == ("undecidable", "deterministic: difference = 0, no test")
    one = analyze_results(study(np.array([[[1.0]] * 6, [[0.0]] * 6])), options=QUICK).comparisons.iloc[0]
    assert one["verdict"] == "undecidable"
    assert "number of seeds 6, of items 1" in one["reason"]


def test_an_open_pair_says_whether_seeds_or_items_are_missing() -> None:
    options = QUICK.model_copy(update={"rope": 0.05})
    found = analyze_results(study(draw_hits(3, items=60, apart=3.0)), options=options).comparisons.iloc[0]
    assert found["verdict"] == "inconclusive"
    assert pd.isna(found["seeds_to_decide"])
    assert found["items_to_decide_low"] > 60
    assert "takes more than 10000 seeds with these 60 items, or" in found["advice"]
    assert "items (best guess" in found["advice"]


def test_a_pair_with_too_few_seeds_is_advised_to_run_at_least_five() -> None:
    options = QUICK.model_copy(update={"rope": 0.2})
    found = analyze_results(study(draw_hits(3, seeds=4, gain=1.5)), options=options).comparisons.iloc[0]
    assert found["seeds_to_decide"] == 5
    assert found["advice"].startswith("to show a true difference of 0.2 in 80% of experiments takes 5 seeds with these")


def without(results: Results, **lost: str) -> Results:
    """The results without the predictions whose columns have these values."""
    gone = np.logical_and.reduce([(results.predictions[name] == value).to_numpy() for name, value in lost.items()])
    return replace(results, predictions=results.predictions[~gone])


def test_one_lost_answer_costs_one_item_and_changes_no_test() -> None:
    results = study(draw_hits(3, gain=1.2))
    whole = analyze_results(results, options=QUICK).comparisons.iloc[0]
    found = analyze_results(without(results, run_id="1-3", item="i7"), options=QUICK)
    pair = found.comparisons.iloc[0]
    assert (pair["primary_method"], pair["verdict"], pair["n_items"]) == ("multi_bootstrap", whole["verdict"], 199)
    assert pair["primary_p"] == pytest.approx(whole["primary_p"], abs=1e-6)
    assert any("1 of 200 evaluated items are left out" in text for text in found.warnings)


def test_the_items_that_all_runs_have_decide_alone() -> None:
    """Items 0 to 4 are lost in one run: the test is that of results which never had them."""
    hits = draw_hits(3)
    results = study(hits)
    for number in range(5):
        results = without(results, run_id="0-2", item=f"i{number}")
    shorter = study(hits)
    kept = ~shorter.predictions["item"].isin([f"i{number}" for number in range(5)])
    found = read_item_counts(results.runs, results.predictions, "accuracy")
    assert (found.num_items, found.left_out, found.num_units) == (195, 5, 195)
    scores = shorter.predictions[kept].groupby("run_id", sort=False)["correct"].mean()
    assert found.scores == pytest.approx(scores.to_numpy())


def test_too_many_lost_answers_allow_no_verdict_and_no_other_test() -> None:
    results = study(draw_hits(3, gain=1.5))
    for number in range(11):
        results = without(results, run_id="1-3", item=f"i{number}")
    pair = analyze_results(results, options=QUICK).comparisons.iloc[0]
    assert (pair["primary_method"], pair["verdict"]) == ("multi_bootstrap", "undecidable")
    assert "only 189 of 200 evaluated items in common, and at most 5% may be missing" in pair["reason"]


def test_a_run_without_predictions_costs_one_pair_of_seeds() -> None:
    results = study(draw_hits(3, gain=1.2))
    found = analyze_results(without(results, run_id="1-3"), options=QUICK)
    pair = found.comparisons.iloc[0]
    assert (pair["primary_method"], pair["n_pairs"], pair["dropped_pairs"]) == ("multi_bootstrap", 9, 1)
    assert any("no item predictions: s1 seed 45" in text for text in found.warnings)


def test_seeds_are_paired_within_a_model_and_independent_between_models() -> None:
    hits = draw_hits(3, systems=3)
    results = study(hits)
    models = results.runs["system"].map({"s0": "bert", "s1": "bert", "s2": "roberta"})
    named = replace(results, runs=results.runs.assign(model=models))
    pairs = analyze_results(named, options=QUICK).comparisons
    kinds = {frozenset((row["a"], row["b"])): row["seeds"] for row in pairs.to_dict("records")}
    assert kinds == {
        frozenset(("s0", "s1")): "paired",
        frozenset(("s0", "s2")): "independent",
        frozenset(("s1", "s2")): "independent",
    }
    unknown = analyze_results(results, options=QUICK).comparisons
    assert set(unknown["seeds"]) == {"independent"}
    for declared in ("independent", "paired"):
        fixed = analyze_results(named, options=QUICK.model_copy(update={"seeds": declared})).comparisons
        assert set(fixed["seeds"]) == {declared}


def test_the_other_treatment_of_seeds_stands_beside_the_declared_one() -> None:
    results = study(draw_hits(3))
    paired_first, independent_first = (
        analyze_results(results, options=QUICK.model_copy(update={"seeds": seeds})).comparisons.iloc[0]
        for seeds in ("paired", "independent")
    )
    assert paired_first["other_seeds_p"] == pytest.approx(independent_first["primary_p"])
    assert independent_first["other_seeds_p_holm"] == pytest.approx(paired_first["primary_p_holm"])
    assert paired_first["primary_p"] != independent_first["primary_p"]


def test_independent_seeds_have_the_variances_of_both_systems() -> None:
    """Seeds that rise and fall together: their differences do not vary, but each system does."""
    scores = np.array([[0.1, 0.1], [0.2, 0.2], [0.6, 0.6]])
    moved = np.zeros((9, 3, 2))
    both = multi_bootstrap.independent(scores, moved, 8.0)
    assert both.seeds == pytest.approx(2 * np.var([0.1, 0.2, 0.6], ddof=1) / 3)
    assert both.seed_df == pytest.approx(4.0)
    assert multi_bootstrap.paired(scores, moved, 8.0).seeds == 0.0


def test_scores_alone_of_independent_seeds_are_compared_by_welch() -> None:
    results = study(draw_hits(3, gain=1.5))
    options = CompareConfig(seeds="independent")
    pair = analyze_results(replace(results, predictions=results.predictions.iloc[:0]), options=options)
    row = pair.comparisons.iloc[0]
    own = results.runs.pivot(index="seed", columns="system", values="score")
    expected = stats.ttest_ind(own[row["a"]], own[row["b"]], equal_var=False)
    assert (row["primary_method"], row["seeds"]) == ("welch", "independent")
    assert row["primary_p"] == pytest.approx(expected.pvalue)
    assert row["other_seeds_p"] == pytest.approx(row["p"])


@pytest.mark.parametrize(
    ("clusters", "why"),
    [
        (["one"] * 200, "all 200 items are in one cluster"),
        (["big"] * 80 + [str(k) for k in range(120)], "one of 121 clusters holds 40% of the items"),
    ],
)
def test_clusters_that_say_nothing_of_new_ones_allow_no_verdict(clusters: list[str], why: str) -> None:
    pair = analyze_results(study(draw_hits(3, gain=1.5), clusters=clusters), options=QUICK).comparisons.iloc[0]
    assert pair["verdict"] == "undecidable"
    assert why in pair["reason"]


def test_clusters_of_one_item_each_are_items() -> None:
    hits = draw_hits(3, gain=0.4)
    alone = analyze_results(study(hits), options=QUICK).comparisons
    named = analyze_results(study(hits, clusters=[f"c{k:03d}" for k in range(200)]), options=QUICK).comparisons
    assert named["primary_p"].tolist() == pytest.approx(alone["primary_p"].tolist())


def test_unequal_clusters_have_fewer_degrees_of_freedom_and_are_said() -> None:
    sizes = [50, 40, 30] + [4] * 20
    names = [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]
    found = analyze_results(study(draw_hits(3), clusters=names), options=QUICK)
    assert any("weigh as much as 7.5 equal ones, fewer than 20" in text for text in found.warnings)


def test_a_class_of_two_items_is_said() -> None:
    results = study(draw_hits(3, items=60), "macro_f1")
    said = results.predictions.copy()
    said.loc[said["item"].isin(["i3", "i4"]), "gold"] = "rare"
    scores = {
        run_id: registry.load("metric", "macro_f1").score(own["gold"].tolist(), own["predicted"].tolist())
        for run_id, own in said.groupby("run_id")
    }
    runs = results.runs.assign(score=results.runs["run_id"].map(scores))
    found = analyze_results(replace(results, runs=runs, predictions=said), options=QUICK)
    assert any("only 2 evaluated items have the class 'rare'" in text for text in found.warnings)


def test_a_difference_that_rests_on_a_few_items_is_said() -> None:
    """The systems answer all items alike but six."""
    hits = np.ones((2, 6, 200))
    hits[0, :, :3] = 0
    hits[1, :, 3:6] = 0
    hits[0, 0, 100] = 0
    found = analyze_results(study(hits), options=QUICK)
    assert any("rests on about 12 of 200 units, fewer than 20" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"seeds": "independent", "primary": "paired_t"}, "contradicts primary: paired_t, which pairs by seed"),
        ({"seeds": "paired", "primary": "corrected_resampled_t"}, "decides nothing with primary"),
    ],
)
def test_a_declaration_of_seeds_that_the_fixed_test_cannot_follow_is_refused(options: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CompareConfig.model_validate(options)


def test_a_declaration_of_seeds_that_varying_splits_overrule_is_said() -> None:
    results = study(draw_hits(3))
    varied = results.runs.assign(split_seed=results.runs["seed"], train_items=800, evaluation_items=200)
    found = analyze_results(replace(results, runs=varied), options=CompareConfig(seeds="paired"))
    assert any(text.startswith("compare.seeds: paired decides nothing here") for text in found.warnings)
