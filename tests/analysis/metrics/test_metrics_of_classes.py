"""Metrics of sentences, pairs and label sets: the known numbers of GLUE, and scikit-learn's on random answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.preprocessing import MultiLabelBinarizer

from analysis.metrics import (
    accuracy,
    f1,
    jaccard,
    labels_of,
    macro_f1,
    matthews_correlation,
    micro_f1,
    ordered,
    subset_accuracy,
    weighted_f1,
)

CLASSES = ("anger", "fear", "joy", "love", "trust")


def pairs(right_positive: int, missed: int, invented: int, right_negative: int) -> tuple[list[str], list[str]]:
    """Gold and predicted labels of a confusion table; `paraphrase` is the positive class."""
    gold = ["paraphrase"] * (right_positive + missed) + ["different"] * (invented + right_negative)
    found = ["paraphrase"] * right_positive + ["different"] * missed
    return gold, [*found, *["paraphrase"] * invented, *["different"] * right_negative]


def test_the_scores_of_mrpc_dev_are_the_known_ones() -> None:
    gold, found = pairs(right_positive=257, missed=22, invented=32, right_negative=97)
    assert (len(gold), gold.count("paraphrase")) == (408, 279)
    assert accuracy.METRIC.score(gold, found) == pytest.approx(354 / 408) == pytest.approx(0.867647, abs=5e-7)
    assert f1.METRIC.score(gold, found) == pytest.approx(514 / 568) == pytest.approx(0.904930, abs=5e-7)


def test_saying_paraphrase_to_every_pair_of_mrpc_dev_has_the_known_baseline() -> None:
    gold, found = pairs(right_positive=279, missed=0, invented=129, right_negative=0)
    assert accuracy.METRIC.score(gold, found) == pytest.approx(0.683824, abs=5e-7)
    assert f1.METRIC.score(gold, found) == pytest.approx(0.812227, abs=5e-7)
    assert matthews_correlation.METRIC.score(gold, found) == 0.0


def test_the_positive_class_is_the_last_by_name_unless_the_label_space_says_otherwise() -> None:
    gold, found = ["no", "no", "yes"], ["no", "yes", "yes"]
    assert f1.METRIC.score(gold, found) == pytest.approx(2 / 3)
    assert f1.METRIC.score(gold, found, labels=("yes", "no")) == pytest.approx(2 / 3)
    assert f1.METRIC.score(["no"] * 3, ["no"] * 3, labels=("no", "yes")) == 0.0
    assert ordered(["10", "9"]) == ["9", "10"]
    assert ordered(["b", "10", "9"]) == ["10", "9", "b"]


def test_f1_of_more_than_two_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="f1 needs two classes, got 3; use macro_f1 or weighted_f1"):
        f1.METRIC.score(["a", "b"], ["a", "c"])
    with pytest.raises(ValueError, match="got 3"):
        f1.METRIC.score(["a", "b"], ["a", "b"], labels=("a", "c"))


def test_the_matthews_correlation_is_that_of_scikit_learn() -> None:
    for number in range(20):
        gold, found = np.random.default_rng(number).choice(CLASSES[: 2 + number % 4], size=(2, 40)).tolist()
        expected = sklearn_metrics.matthews_corrcoef(gold, found)
        assert matthews_correlation.METRIC.score(gold, found) == pytest.approx(expected)


def test_a_missing_prediction_is_a_class_of_its_own_to_the_matthews_correlation() -> None:
    gold, found = ["a", "b", "b", "a"], ["a", None, "b", "b"]
    expected = sklearn_metrics.matthews_corrcoef(gold, ["a", "none", "b", "b"])
    assert matthews_correlation.METRIC.score(gold, found) == pytest.approx(expected)
    with pytest.raises(ValueError, match="not sets of labels"):
        matthews_correlation.METRIC.score(["a\tb"], ["a"])


def random_sets(number: int, share: float) -> tuple[list[str], Any]:
    """Sets of labels as text, and as the indicator matrix [40, 5]."""
    given = np.random.default_rng(number).random((40, len(CLASSES))) < share
    sets = [[label for label, has in zip(CLASSES, row, strict=True) if has] for row in given]
    return ["\t".join(labels) for labels in sets], MultiLabelBinarizer(classes=CLASSES).fit_transform(sets)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_scores_of_label_sets_are_those_of_scikit_learn(share: float) -> None:
    for number in range(20):
        gold, gold_matrix = random_sets(number, share)
        found, found_matrix = random_sets(number + 1000, share)
        for metric, average in (
            (macro_f1.METRIC, "macro"),
            (micro_f1.METRIC, "micro"),
            (weighted_f1.METRIC, "weighted"),
        ):
            expected = sklearn_metrics.f1_score(gold_matrix, found_matrix, average=average, zero_division=0)
            assert metric.score(gold, found, labels=CLASSES) == pytest.approx(expected)
        expected = sklearn_metrics.jaccard_score(gold_matrix, found_matrix, average="samples", zero_division=1)
        assert jaccard.METRIC.score(gold, found) == pytest.approx(expected)
        expected = sklearn_metrics.accuracy_score(gold_matrix, found_matrix)
        assert subset_accuracy.METRIC.score(gold, found) == pytest.approx(expected)


def test_a_label_that_nobody_has_or_gets_counts_only_where_the_label_space_is_given() -> None:
    assert macro_f1.METRIC.score(["joy"], ["joy"]) == 1.0
    assert macro_f1.METRIC.score(["joy"], ["joy"], labels=("joy", "love")) == 0.5
    assert macro_f1.METRIC.weighted(["joy", ""], ["joy", ""], [0, 2], labels=("joy", "love")) == 0.0


def test_the_order_of_labels_in_a_set_means_nothing() -> None:
    assert subset_accuracy.METRIC.score(["joy\tlove"], ["love\tjoy"]) == 1.0
    assert jaccard.METRIC.score(["joy\tlove", "", ""], ["love\tfear", "", "joy"]) == pytest.approx((1 / 3 + 1 + 0) / 3)


def test_a_missing_answer_has_no_label_and_is_never_right() -> None:
    assert macro_f1.METRIC.score(["joy", "", "joy"], ["joy", None, None]) == pytest.approx(2 / 3)
    assert jaccard.METRIC.score(["joy", "", ""], [None, None, ""]) == pytest.approx(1 / 3)
    assert subset_accuracy.METRIC.score(["joy", "", ""], [None, None, ""]) == pytest.approx(1 / 3)


def test_the_label_space_is_read_from_a_column_of_predictions() -> None:
    assert labels_of(["no\tyes", "no\tyes"]) == ("no", "yes")
    assert labels_of([None]) == labels_of([float("nan")]) == labels_of([]) == ()
