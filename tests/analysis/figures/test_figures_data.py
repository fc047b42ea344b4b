"""What the figures show: numbers that can be checked by hand, no run lost, none invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import registry
from analysis.analyze import analyze_results
from analysis.figures import critical_difference
from analysis.plotting import item_disagreements, render
from analysis.plotting.figure import Figure, NotApplicable
from tests.analysis import study

MANY = tuple(f"model-{number}" for number in range(20))


def figure(name: str) -> Figure:
    found = registry.load("figure", name)
    assert isinstance(found, Figure)
    return found


def test_scores_hold_every_scored_run_and_no_other() -> None:
    found = study.results()
    runs = found.runs.copy()
    runs.loc[0, ["status", "score"]] = ["failed", np.nan]
    data = figure("score_boxplot").frame(analyze_results(replace(found, runs=runs)))
    assert len(data) == 20
    assert list(data["system"].drop_duplicates()) == list(study.THREE)
    assert set(data["metric"]) == {"weighted_f1"}


def test_bars_are_means_with_sample_standard_deviations() -> None:
    data = figure("score_barplot").frame(study.analysis())
    for _, group in data.groupby("system"):
        assert group["mean"].unique() == pytest.approx([np.mean(group["score"])])
        assert group["std"].unique() == pytest.approx([np.std(group["score"], ddof=1)])


def test_a_box_has_the_quartiles_and_whiskers_of_tukey() -> None:
    """Of 0 1 2 3 4 5 20 the quartiles are 1.5, 3 and 4.5; 20 lies beyond 4.5 + 1.5 * 3 = 9."""
    found = study.results(study.THREE[:1])
    runs = found.runs.assign(score=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 20.0])
    box = figure("score_boxplot").frame(analyze_results(replace(found, runs=runs))).iloc[0]
    assert box[["q1", "median", "q3", "whisker_low", "whisker_high"]].tolist() == [1.5, 3.0, 4.5, 0.0, 5.0]


def test_differences_are_paired_by_seed_and_carry_the_intervals_of_the_tests() -> None:
    answer = study.analysis()
    data = figure("paired_differences").frame(answer)
    wide = answer.results.runs.pivot(index="seed", columns="system", values="score")
    first = answer.comparisons.iloc[0]
    own = data[data["pair"] == data["pair"].iloc[0]]
    assert own["difference"].tolist() == pytest.approx((wide[first["a"]] - wide[first["b"]]).tolist())
    assert own["ci_low"].unique() == pytest.approx([first["primary_ci_low"]])
    assert data["pair"].nunique() == 3


def test_many_systems_are_drawn_against_the_best_only() -> None:
    data = figure("paired_differences").frame(study.analysis(MANY, seeds=3))
    assert data["pair"].nunique() == 19
    assert set(data["a"]) == {MANY[0]}


def test_losses_are_those_of_the_best_epoch() -> None:
    data = figure("loss_comparison").frame(study.analysis())
    assert set(data["epoch"]) == {2}
    assert data["eval_loss"].min() == pytest.approx(0.7)
    assert len(data) == 21


def test_loss_curves_have_both_parts_of_every_epoch() -> None:
    data = figure("loss_evolution").frame(study.analysis())
    assert len(data) == 3 * 7 * 4 * 2
    assert set(data["part"]) == {"training", "validation"}


def test_f1_of_a_class_is_two_tp_over_predicted_plus_gold_without_the_outside_label() -> None:
    """roberta-base at an even seed finds three of four OBDH words and invents none: 2 * 3 / (3 + 4)."""
    data = figure("per_class_f1").frame(study.analysis())
    one = data[(data["system"] == "roberta-base") & (data["class"] == "OBDH")].set_index("seed")["f1"]
    assert one[42] == pytest.approx(6 / 7)
    assert one[43] == 1.0
    assert set(data["row"]) == {"OBDH (4)", "Power (4)", "Thermal (4)"}


def test_a_missing_prediction_is_a_miss() -> None:
    found = study.results(study.THREE[:2], seeds=3)
    predicted = found.predictions["predicted"].where(found.predictions["gold"] != "Power", None)
    missing = replace(found, predictions=found.predictions.assign(predicted=predicted))
    data = figure("per_class_f1").frame(analyze_results(missing))
    assert set(data[data["class"] == "Power"]["f1"]) == {0.0}
    assert set(data["class"]) == set(study.CLASSES)


def test_of_tags_the_classes_are_types_of_entities_and_whole_entities_count() -> None:
    """Gold: two A and a B; found: an A, an A too long, a B at another place. A: 2 * 1 / (2 + 2); B: 0 of 1 and 1."""
    said = {
        "a": [("B-A", "B-A"), ("I-A", "I-A"), ("O", "O"), ("B-B", "O"), ("O", "B-B")],
        "b": [("B-A", "B-A"), ("O", "I-A"), ("O", None)],
    }
    found = study.results(study.THREE[:1], seeds=2)
    rows = [
        {
            "run_id": run,
            "split": "validation",
            "item": item,
            "position": 10 * place,
            "gold": gold,
            "predicted": predicted,
        }
        for place, (gold, predicted, run, item) in enumerate(
            (*pair, run, item) for item, words in said.items() for pair in words for run in found.runs["run_id"]
        )
    ]
    answer = analyze_results(replace(found, predictions=pd.DataFrame(rows[::-1])))
    data = figure("per_class_f1").frame(answer)
    assert set(zip(data["row"], data["support"], data["f1"], strict=True)) == {("A (2)", 2, 0.5), ("B (1)", 1, 0.0)}
    assert set(figure("class_balance").frame(answer)["predicted"]) == {2, 1}
    gold, predicted, items_of = zip(*((*pair, item) for item in said for pair in said[item]), strict=True)
    score = registry.load("metric", "span_f1").score(gold, predicted, items_of)
    assert score == pytest.approx(2 * 1 / (3 + 3))


def test_tags_without_items_are_not_counted_as_entities() -> None:
    found = study.results(study.THREE[:1], seeds=2)
    tags = found.predictions.assign(gold="B-A", predicted="B-A").drop(columns=["item", "position"])
    with pytest.raises(NotApplicable, match=r"predictions\.item"):
        figure("per_class_f1").frame(analyze_results(replace(found, predictions=tags)))


def test_predictions_of_another_split_than_the_score_are_left_out() -> None:
    found = study.results(study.THREE[:2], seeds=3)
    other = found.predictions.assign(split="test", predicted="Power")
    both = replace(found, predictions=pd.concat([found.predictions, other], ignore_index=True))
    assert set(figure("per_class_f1").frame(analyze_results(both))["support"]) == {4}


def test_free_text_is_not_taken_for_classes() -> None:
    found = study.results(study.THREE[:2], seeds=2)
    answers = [f"answer {number}" for number in range(len(found.predictions))]
    many = pd.concat([found.predictions.assign(gold=answers)] * 4, ignore_index=True)
    with pytest.raises(NotApplicable, match="not classes"):
        figure("per_class_f1").frame(analyze_results(replace(found, predictions=many.assign(gold=range(len(many))))))


def test_of_many_classes_the_most_frequent_are_drawn_and_all_are_in_the_data() -> None:
    found = study.results(study.THREE[:1], seeds=2)
    classes = [f"class-{number}" for number in range(60) for _ in range(2 if number < 40 else 1)]
    words = pd.DataFrame({"gold": classes, "predicted": classes, "split": "validation", "item": "1"})
    both = [words.assign(run_id=run_id) for run_id in found.runs["run_id"]]
    data = figure("per_class_f1").frame(analyze_results(replace(found, predictions=pd.concat(both, ignore_index=True))))
    assert data["class"].nunique() == 60
    drawn = render.render(figure("per_class_f1"), data)["svg"].decode()
    assert "class-39 (2)" in drawn
    assert "class-40 (1)" not in drawn


def test_groups_of_mean_ranks_are_the_largest_that_the_critical_difference_spans() -> None:
    """Demsar 2006, section 3.2.2: with ranks 1, 2, 2.5, 4 and a critical difference of 1.5 the groups are AC and CD."""
    groups = critical_difference.groups
    assert groups([1.0, 2.0, 2.5, 4.0], 1.5) == [2, None, 3, None]
    assert groups([1.0, 3.0], 1.5) == [None, None]
    assert groups([1.0, 1.2, 1.4], 5.0) == [2, None, None]


def test_over_seeds_on_one_split_there_is_no_critical_difference() -> None:
    with pytest.raises(NotApplicable, match="over seeds on one split would separate equal systems"):
        figure("critical_difference").frame(study.analysis())


def test_mean_ranks_are_those_of_the_omnibus_test_best_first() -> None:
    answer = study.of_figure("critical_difference")
    data = figure("critical_difference").frame(answer)
    assert dict(zip(data["system"], data["mean_rank"], strict=True)) == answer.omnibus["friedman"]["mean_ranks"]
    assert data["mean_rank"].is_monotonic_increasing


def test_a_system_is_dominated_where_another_is_at_least_as_good_in_score_speed_and_memory() -> None:
    """In the study the first system is best, fastest and smallest; without speed and memory there is no figure."""
    data = figure("trade_off").frame(study.analysis())
    assert dict(zip(data["system"], data["dominated"], strict=True)) == dict(
        zip(study.THREE, [False, True, True], strict=True)
    )
    assert set(data["measure"]) == {"samples_per_second", "peak_memory_gib"}
    found = study.results()
    fast = found.runs["samples_per_second"].mask(found.runs["system"] == study.THREE[2], 1e4)
    quick = figure("trade_off").frame(analyze_results(replace(found, runs=found.runs.assign(samples_per_second=fast))))
    speed = quick[quick["measure"] == "samples_per_second"].set_index("system")
    assert speed["on_front"].to_dict() == {study.THREE[0]: True, study.THREE[1]: False, study.THREE[2]: True}
    assert not speed["dominated"][study.THREE[2]]


def test_time_adds_up_over_epochs() -> None:
    data = figure("score_over_time").frame(study.analysis())
    own = data[data["run_id"] == f"{study.THREE[1]}-42"]
    assert own["seconds"].tolist() == [11.0, 22.0, 33.0, 44.0]
    assert own["score"].tolist() == pytest.approx([0.9 - 0.02 - 0.3 / epoch for epoch in (1, 2, 3, 4)])


def test_a_profile_is_the_share_of_runs_that_reach_a_score() -> None:
    found = study.results(study.THREE[:1], seeds=4)
    runs = found.runs.assign(score=[0.1, 0.2, 0.2, 0.4])
    data = figure("performance_profile").frame(analyze_results(replace(found, runs=runs)))
    assert dict(zip(data["threshold"], data["share"], strict=True)) == {0.1: 1.0, 0.2: 0.75, 0.4: 0.25}
    assert ((data["low"] <= data["share"]) & (data["share"] <= data["high"])).all()


def test_a_seed_that_prefers_the_worse_system_is_marked() -> None:
    found = study.results(study.THREE[:2], seeds=3)
    runs = found.runs.assign(score=[0.9, 0.9, 0.7, 0.8, 0.8, 0.75])
    data = figure("seed_slopes").frame(analyze_results(replace(found, runs=runs)))
    assert data["flips"].tolist() == [False, False, True, False, False, False]


def test_classes_are_counted_in_gold_and_in_predictions() -> None:
    """At an even seed roberta-base says O for one OBDH word: 3 predicted of 4."""
    data = figure("class_balance").frame(study.analysis())
    own = data[(data["system"] == "roberta-base") & (data["seed"] == 42)].set_index("class")
    assert own["support"].to_dict() == {"OBDH": 4, "Power": 4, "Thermal": 4}
    assert own["predicted"].to_dict() == {"OBDH": 3, "Power": 4, "Thermal": 4}


def test_every_label_of_a_set_counts_for_its_class_and_sets_have_no_confusion_matrix() -> None:
    """Gold {joy, love}, {}, {joy}; predicted {joy}, {love}, {joy}: joy F1 1 of support 2, love F1 0 of support 1."""
    found = study.results(study.THREE[:1], seeds=3)
    said = [("a", "joy\tlove", "joy"), ("b", "", "love"), ("c", "joy", "joy")]
    rows = [
        {"run_id": run, "split": "validation", "item": item, "gold": gold, "predicted": predicted}
        for run in found.runs["run_id"]
        for item, gold, predicted in said
    ]
    answer = analyze_results(replace(found, predictions=pd.DataFrame(rows)))
    scores = figure("per_class_f1").frame(answer)
    assert set(zip(scores["class"], scores["support"], scores["f1"], strict=True)) == {
        ("joy", 2, 1.0),
        ("love", 1, 0.0),
    }
    assert set(figure("class_balance").frame(answer)["predicted"]) == {2, 1}
    with pytest.raises(NotApplicable):
        figure("confusion").frame(answer)


def test_a_confusion_matrix_has_shares_of_the_gold_class_over_all_runs() -> None:
    """Of 7 x 4 OBDH words roberta-base misses one at each of the four even seeds."""
    data = figure("confusion").frame(study.analysis())
    own = data[(data["system"] == "roberta-base") & (data["gold"] == "OBDH")].set_index("predicted")
    assert own["count"].to_dict() == {"O": 4, "OBDH": 24}
    assert own["share"].sum() == pytest.approx(1.0)
    assert data.groupby(["system", "gold"])["share"].sum().tolist() == pytest.approx([1.0] * 12)


def test_answers_that_most_seeds_of_only_one_system_get_right_are_counted() -> None:
    """The second system misses the first word of each class in all seeds, the first system only one at even seeds."""
    answer = study.analysis()
    data = figure("item_disagreement").frame(answer).set_index(["a", "b", "outcome"])["answers"]
    pair = (study.THREE[0], study.THREE[1])
    assert data[(*pair, "only_first")] == 3 - 1 + 1
    assert data[(*pair, "only_second")] == 0
    assert data.groupby(["a", "b"]).sum().tolist() == [13, 13, 13]
    listed = item_disagreements.disagreements(answer)
    assert set(listed["said_b"]) == {"O"}
    assert listed["gold"].isin(study.CLASSES).all()
    assert (listed["right_a"] > 0.5).all()


def test_a_tie_between_the_seeds_of_a_system_is_no_majority() -> None:
    shares = pd.DataFrame({"a": [1.0, 1.0, 0.2, 0.5, 0.0, np.nan], "b": [1.0, 0.0, 0.9, 1.0, 0.0, 1.0]})
    found = item_disagreements.outcomes(shares["a"], shares["b"]).tolist()
    assert found[:5] == ["both", "only_first", "only_second", "split", "neither"]
    assert pd.isna(found[5])
