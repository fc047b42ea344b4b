"""QA scores are the official SQuAD 2.0 script's, all twelve fields, and thresholds act on "no answer"."""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.metrics import answer_f1, exact_match, has_answer_exact_match, has_answer_f1
from trainables.tasks.question_answering import TASK

TUNED = TASK.configured({"tune_threshold": True})
OFFICIAL = {
    "exact": "exact_match", "f1": "answer_f1", "total": "total",
    "HasAns_exact": "has_answer_exact_match", "HasAns_f1": "has_answer_f1", "HasAns_total": "has_answer_total",
    "NoAns_exact": "no_answer_exact_match", "NoAns_f1": "no_answer_f1", "NoAns_total": "no_answer_total",
    "best_exact": "best_exact_match", "best_exact_thresh": "best_exact_match_threshold",
    "best_f1": "best_answer_f1", "best_f1_thresh": "best_answer_f1_threshold",
}  # fmt: skip
PERCENT = ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1", "best_exact", "best_f1")


def _words(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def _pair_f1(gold: str, predicted: str) -> float:
    wanted, said = _words(gold), _words(predicted)
    if not wanted or not said:
        return float(wanted == said)
    same = sum((Counter(wanted) & Counter(said)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(said), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _item(golds: list[str], predicted: str) -> tuple[float, float]:
    accepted = [gold for gold in golds if _words(gold)] or [""]
    exact = max(float(" ".join(_words(gold)) == " ".join(_words(predicted))) for gold in accepted)
    return exact, max(_pair_f1(gold, predicted) for gold in accepted)


def _best(golds: list[list[str]], answers: list[str], null: list[float], metric: int) -> tuple[float, float]:
    """Every threshold that changes something, one after the other: below all values, then each of them."""
    best, chosen = sum(not gold for gold in golds) / len(golds), 0.0
    for threshold in sorted(set(null)):
        total = 0.0
        for gold, answer, value in zip(golds, answers, null, strict=True):
            keeps = value <= threshold and answer != ""
            if gold:
                total += _item(gold, answer)[metric] if value <= threshold else 0.0
            else:
                total += float(not keeps)
        if total / len(golds) > best + 1e-12:
            best, chosen = total / len(golds), threshold
    return best, chosen


def _official(golds: list[list[str]], answers: list[str], null: list[float], threshold: float) -> dict[str, float]:
    predicted = ["" if value > threshold else answer for answer, value in zip(answers, null, strict=True)]
    items = [_item(gold, text) for gold, text in zip(golds, predicted, strict=True)]
    fields: dict[str, float] = {}
    for prefix, kept in (("", lambda gold: True), ("HasAns_", bool), ("NoAns_", lambda gold: not gold)):
        of_kind = [item for gold, item in zip(golds, items, strict=True) if kept(gold)]
        if of_kind:
            fields[f"{prefix}exact"] = 100.0 * sum(exact for exact, _ in of_kind) / len(of_kind)
            fields[f"{prefix}f1"] = 100.0 * sum(f1 for _, f1 in of_kind) / len(of_kind)
            fields[f"{prefix}total"] = len(of_kind)
    for metric, name in enumerate(("exact", "f1")):
        best, chosen = _best(golds, answers, null, metric)
        fields |= {f"best_{name}": 100.0 * best, f"best_{name}_thresh": chosen}
    return fields


def _table(golds: list[list[str]], answers: list[str], null: list[float], threshold: float = 0.0) -> pd.DataFrame:
    gold = ["\n".join(texts) for texts in golds]
    table = pd.DataFrame({"gold": gold, "answer": answers, "no_answer_score": null})
    return TASK.apply_thresholds(table, {"no_answer_threshold": threshold})


def _assert_official(golds: list[list[str]], answers: list[str], null: list[float], threshold: float = 0.0) -> None:
    scores = TASK.score(_table(golds, answers, null, threshold))
    expected = _official(golds, answers, null, threshold)
    assert set(scores) == {OFFICIAL[name] for name in expected}
    for name, value in expected.items():
        factor = 100.0 if name in PERCENT else 1.0
        assert factor * scores[OFFICIAL[name]] == pytest.approx(value, rel=1e-12), name


GOLDS = [["the Normans", "Normans in Normandy"], [], ["10th century."], ["The"], [], ["A. B.  Co-op"]]
ANSWERS = ["Normans", "France", "in the 10th century", "the", "Rollo", "a b coop"]
NULL = [-2.0, -1.0, 0.5, -0.25, 3.0, -4.0]


def test_hand_made_answers_have_the_scores_one_finds_by_hand() -> None:
    scores = TASK.score(_table(GOLDS, ANSWERS, NULL))
    assert scores["exact_match"] == pytest.approx(
        4 / 6
    )  # wrong: France where there is no answer, and nothing where there is one
    assert scores["has_answer_exact_match"] == pytest.approx(3 / 4)
    assert scores["no_answer_exact_match"] == pytest.approx(1 / 2)
    assert scores["has_answer_f1"] == pytest.approx(3 / 4)
    assert TASK.score(_table(GOLDS, ANSWERS, NULL, 0.5))["has_answer_f1"] == pytest.approx((3 + 0.8) / 4)
    assert scores["best_answer_f1_threshold"] == 0.5
    assert scores["best_answer_f1"] == pytest.approx((3 + 0.8 + 1) / 6)
    assert scores["best_exact_match_threshold"] == -2.0


def test_there_are_twelve_fields_and_the_metric_that_chooses() -> None:
    assert set(TASK.metrics) == set(OFFICIAL.values())
    assert TASK.metrics[0] == TASK.primary_metric == "answer_f1"


def test_hand_made_answers_score_as_the_official_script_says() -> None:
    _assert_official(GOLDS, ANSWERS, NULL)
    _assert_official(GOLDS, ANSWERS, NULL, 0.5)
    _assert_official([["x"], ["y z"]], ["x", "y"], [0.0, 1.0])
    _assert_official([[], []], ["x", ""], [0.0, -1.0])


@pytest.mark.parametrize("seed", range(6))
def test_random_answers_score_as_the_official_script_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = ["the", "a", "Norman", "norman!", "10th", "century", "of", "France,", "france", "-", "An"]

    def text(longest: int) -> str:
        return " ".join(generator.choice(words, size=generator.integers(1, longest)))

    golds = [[text(5) for _ in range(generator.integers(0, 4))] for _ in range(40)]
    answers = ["" if generator.random() < 0.1 else text(6) for _ in range(40)]
    null = generator.normal(size=40)
    if seed % 2:
        null = np.round(null, 1)  # many equal values
    _assert_official(golds, answers, null.tolist(), float(generator.normal()))


def test_questions_with_equal_scores_change_sides_together() -> None:
    golds: list[list[str]] = [["x"], [], []]
    scores = TASK.score(_table(golds, ["x", "y", "z"], [1.0, 1.0, 1.0]))
    assert scores["best_exact_match"] == pytest.approx(2 / 3)  # not 3/3: the right answer brings two wrong ones
    assert scores["best_exact_match_threshold"] == 0.0


def test_a_missing_prediction_is_a_miss_also_where_no_answer_is_right() -> None:
    golds: list[list[str]] = [["x"], [], [], ["y"]]
    table = _table(golds, ["x", "", "", "y"], [-1.0, 1.0, 1.0, -1.0])
    assert TASK.score(table)["exact_match"] == 1.0
    scores = TASK.score(table.assign(predicted=[None, None, "", "y"]))
    assert (scores["exact_match"], scores["answer_f1"], scores["total"]) == (0.5, 0.5, 4)
    assert (scores["has_answer_f1"], scores["no_answer_exact_match"]) == (0.5, 0.5)


def test_item_scores_are_what_the_metrics_are_means_of() -> None:
    table = _table(GOLDS, ANSWERS, NULL)
    scores = TASK.score(table)
    assert table["item_score"].mean() == pytest.approx(scores["answer_f1"])
    assert table["correct"].mean() == pytest.approx(scores["exact_match"])
    pairs = table["gold"].tolist(), table["predicted"].tolist()
    for metric in (answer_f1.METRIC, exact_match.METRIC, has_answer_f1.METRIC, has_answer_exact_match.METRIC):
        assert metric.score(*pairs) == pytest.approx(scores[metric.name])
    weights = [2, 0, 1, 1, 3, 0]
    assert answer_f1.METRIC.weighted(*pairs, weights) == pytest.approx(np.average(table["item_score"], weights=weights))
    answerable = has_answer_f1.METRIC.weighted(*pairs, weights)
    assert answerable == pytest.approx((2 * 1 + 1 * 0 + 1 * 1) / 4)


def test_the_threshold_is_tuned_for_f1_and_decides_other_questions() -> None:
    thresholds = TUNED.tune(_table(GOLDS, ANSWERS, NULL))
    assert thresholds == {"no_answer_threshold": 0.5}
    other = _table([["x"], []], ["x", "y"], [0.5, 0.75])
    assert other["predicted"].tolist() == ["", ""]
    decided = TUNED.apply_thresholds(other, thresholds)
    assert decided["predicted"].tolist() == ["x", ""]
    assert decided["correct"].tolist() == [True, True]
    assert decided["item_score"].tolist() == [1.0, 1.0]
    assert TUNED.apply_thresholds(other, {}) is other
    assert TASK.tune(other) == {}
    assert (TUNED.tunes, TASK.tunes) == (True, False)


def test_every_question_gets_an_answer_where_none_may_be_empty() -> None:
    """SQuAD 1.1: the span is the answer, however high the null score is."""
    never = TASK.configured({"no_answer": "never"})
    table = never.apply_thresholds(_table([["x"], ["y"]], ["x", "z"], [7.5, -1.0]), {"no_answer_threshold": 0.0})
    assert table["predicted"].tolist() == ["x", "z"]
    assert table["item_score"].tolist() == [1.0, 0.0]
    assert TASK.score(table)["exact_match"] == 0.5
    allowed = TASK.configured({"no_answer": "allowed"}).apply_thresholds(table, {"no_answer_threshold": 0.0})
    assert allowed["predicted"].tolist() == ["", "z"]


def test_where_answering_nothing_is_best_the_tuned_threshold_says_so() -> None:
    table = _table([[], ["x"]], ["y", "z"], [-3.0, -5.0])
    decided = TUNED.apply_thresholds(table, TUNED.tune(table))
    assert decided["predicted"].tolist() == ["", ""]


def test_a_model_that_answers_nothing_has_collapsed() -> None:
    def collapsed(**columns: Any) -> bool:
        return TASK.collapse(pd.DataFrame(columns)) is not None

    assert collapsed(gold=["x", ""], predicted=["", ""])
    assert not collapsed(gold=["x", ""], predicted=["y", ""])
    assert not collapsed(gold=["", ""], predicted=["", ""])


def test_a_model_that_answers_next_to_nothing_or_always_the_same_has_collapsed() -> None:
    def collapse(gold: list[str], predicted: list[str]) -> str | None:
        return TASK.collapse(pd.DataFrame({"gold": gold, "predicted": predicted}))

    gold = ["a bus", "", "28 V", "the tank"] * 50
    assert collapse(gold, [""] * 200) == "no question got an answer"
    assert collapse(gold, ["a bus", *[""] * 199]) == "199 of 200 questions got no answer"
    assert collapse(gold, ["", *["the"] * 199]) == "199 of 200 questions got the same answer"
    assert collapse(gold, [*["a bus"] * 3, *[""] * 197]) is None
    assert collapse([*[""] * 185, *["28 V"] * 15], ["28 V", *[""] * 199]) is None
