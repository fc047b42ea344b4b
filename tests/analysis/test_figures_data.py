"""What the figures show: numbers that can be checked by hand, no run lost, none invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import picture, registry
from analysis.analyze import analyze_results
from analysis.figure import Figure, NotApplicable
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
    drawn = picture.render(figure("per_class_f1"), data)["svg"].decode()
    assert "class-39 (2)" in drawn
    assert "class-40 (1)" not in drawn
