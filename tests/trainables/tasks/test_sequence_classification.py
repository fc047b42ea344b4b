"""One class a text or a pair: the same items for every tokenizer, weighed as asked, refused where they cannot be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from sklearn.utils.class_weight import compute_class_weight

from tests.tiny import FAMILIES, SENTENCES, Family
from tests.trainables.tasks.texts import tiny_pairs, tiny_texts, tiny_tokenizer
from trainables.config import SplitConfig
from trainables.data.dataset import DataError
from trainables.data.features import Features, Ragged
from trainables.data.splits import make_split
from trainables.tasks.sequence_classification import TASK

PAIR_LABELS = ("other", "same")


def _says(features: Features, said: list[int], probability: float = 0.75) -> dict[str, Ragged]:
    rows = [[number] for number in said]
    return {
        "label": Ragged.from_rows(rows, np.int16),
        "probability": Ragged.from_rows([[probability]] * len(rows), np.float32),
    }


def _table(gold: list[str], predicted: list[str], labels: str | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"item": range(len(gold)), "gold": gold, "predicted": predicted})
    return table if labels is None else table.assign(labels=labels)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_item_of_a_pair_task_is_one_feature_for_every_tokenizer(family: Family) -> None:
    items = tiny_pairs(8)
    features = TASK.encode(items, tiny_tokenizer(family), PAIR_LABELS, 64)
    assert features.item.tolist() == list(range(8))
    assert features.terms.tolist() == [1] * 8
    assert features.columns["labels"].values.tolist() == [1, 0] * 4
    assert ("token_type_ids" in features.columns) == (family in ("bert", "deberta-v2"))


def test_segments_are_those_of_the_tokenizer() -> None:
    tokenizer = tiny_tokenizer()
    items = tiny_pairs(3)
    features = TASK.encode(items, tokenizer, PAIR_LABELS, 128)
    expected = tokenizer([item["text"] for item in items], [item["text_pair"] for item in items])
    for row in range(3):
        assert features.columns["input_ids"].row(row).tolist() == expected["input_ids"][row]
        assert features.columns["token_type_ids"].row(row).tolist() == expected["token_type_ids"][row]
    single = TASK.encode(tiny_texts(3), tokenizer, ("data", "power", "thermal"), 64)
    assert "token_type_ids" not in single.columns


def test_of_a_long_pair_both_texts_stay_and_the_loss_of_words_is_counted() -> None:
    tokenizer = tiny_tokenizer()
    items = [{"id": 0, "text": "power " * 30, "text_pair": "data bus", "label": "same"}, *tiny_pairs(2)]
    features = TASK.encode(items, tokenizer, PAIR_LABELS, 24)
    assert features.lengths[0] == 24
    assert features.columns["token_type_ids"].row(0).sum() == len(tokenizer("data bus")["input_ids"]) - 1
    pieces = len(tokenizer("power")["input_ids"]) - 2
    room = 24 - 3 - (len(tokenizer("data bus")["input_ids"]) - 2)
    whole = TASK.encode(items[:1], tokenizer, PAIR_LABELS, 24)
    assert whole.facts == {"truncated_items": 1, "truncated_words": 30 - -(-room // pieces)}
    assert TASK.encode(items[1:], tokenizer, PAIR_LABELS, 128).facts == {"truncated_items": 0, "truncated_words": 0}


def test_predictions_name_item_class_and_probability() -> None:
    items = tiny_pairs(4)
    items[1]["cluster"] = "page 7"
    features = TASK.encode(items, tiny_tokenizer(), PAIR_LABELS, 64)
    table = TASK.predictions(items, features.take([1, 2]), _says(features, [0, 0]), PAIR_LABELS)
    assert table["item"].tolist() == ["1", "2"]
    assert table["cluster"].isna().tolist() == [False, True]
    assert table["gold"].tolist() == ["other", "same"]
    assert table["predicted"].tolist() == ["other", "other"]
    assert table["correct"].tolist() == [True, False]
    assert table["probability"].tolist() == [0.75, 0.75]
    assert set(table["labels"]) == {"other\tsame"}


def test_scores_of_two_classes_hold_f1_of_the_positive_one() -> None:
    gold, found = ["same"] * 3 + ["other"] * 2, ["same", "same", "other", "same", "other"]
    scores = TASK.score(_table(gold, found, "other\tsame"))
    assert tuple(scores) == TASK.metrics
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["f1"] == pytest.approx(4 / 6)
    assert TASK.score(_table(gold, found, "same\tother"))["f1"] == pytest.approx(1 / 2)


def test_the_positive_class_can_be_chosen() -> None:
    task = TASK.configured({"positive": "other"})
    assert TASK.label_space(tiny_pairs()) == ("other", "same")
    assert task.label_space(tiny_pairs()) == ("same", "other")
    task.check(tiny_pairs())
    with pytest.raises(DataError, match="no item has the label 'sane'"):
        TASK.configured({"positive": "sane"}).check(tiny_pairs())
    with pytest.raises(ValidationError):
        TASK.configured({"class_weights": "auto"})


def test_scores_of_more_classes_have_no_f1_of_a_positive_one() -> None:
    scores = TASK.score(_table(["a", "b", "c"], ["a", "b", "b"]))
    assert set(scores) == set(TASK.metrics) - {"f1"}
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_scores_survive_the_result_tables(tmp_path: Path) -> None:
    items = tiny_pairs(6)
    features = TASK.encode(items, tiny_tokenizer(), PAIR_LABELS, 64)
    table = TASK.predictions(items, features, _says(features, [0, 1, 0, 0, 1, 0]), PAIR_LABELS)
    table.to_parquet(tmp_path / "predictions.parquet")
    assert TASK.score(pd.read_parquet(tmp_path / "predictions.parquet")) == TASK.score(table)


def test_class_numbers_are_labels_in_their_order() -> None:
    items = [{"id": number, "text": "a", "label": label} for number, label in enumerate([10, 9, 10])]
    TASK.check(items)
    assert TASK.label_space(items) == ("9", "10")


def test_balanced_weights_are_those_of_scikit_learn_and_enter_the_loss() -> None:
    items = [{"label": label} for label in ["a"] * 6 + ["b"] * 3 + ["c"]]
    labels = ("a", "b", "c")
    assert TASK.fitted(items, labels) is TASK
    task = TASK.configured({"class_weights": "balanced"}).fitted(items, labels)
    expected = compute_class_weight("balanced", classes=np.array(labels), y=[item["label"] for item in items])
    assert task.weights == pytest.approx(tuple(expected))
    logits, batch = torch.zeros(2, 3), {"labels": torch.tensor([0, 2])}
    loss = task.loss(SimpleNamespace(logits=logits), batch)
    assert float(loss) == pytest.approx((expected[0] + expected[2]) * np.log(3), rel=1e-6)


def test_the_loss_is_a_sum_over_items_in_float32() -> None:
    logits = torch.zeros(5, 4, dtype=torch.bfloat16)
    loss = TASK.loss(SimpleNamespace(logits=logits), {"labels": torch.tensor([0, 1, 2, 3, 0])})
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(5 * np.log(4), rel=1e-6)


def test_outputs_are_the_most_probable_class_and_its_probability() -> None:
    logits = torch.tensor([[0.0, np.log(3.0)], [0.0, 0.0]])
    outputs = TASK.outputs(SimpleNamespace(logits=logits), {}, torch.nn.Module())
    assert outputs["label"].tolist() == [1, 0]
    assert outputs["probability"].tolist() == pytest.approx([0.75, 0.5])


def test_a_model_that_says_one_class_only_has_collapsed_whichever_it_is() -> None:
    gold = ["a", "b", "b"]
    assert TASK.collapse(_table(gold, ["b"] * 3))
    assert TASK.collapse(_table(gold, ["a"] * 3))
    assert not TASK.collapse(_table(gold, ["a", "a", "b"]))
    assert not TASK.collapse(_table(["b"] * 3, ["b"] * 3))
    many = _table(["a", "b"] * 100, ["b"] * 199 + ["a"])
    assert TASK.collapse(many) == "199 of 200 items got the same answer"
    assert TASK.collapse(_table(["b"] * 190 + ["a"] * 10, ["b"] * 199 + ["a"])) is None


def test_a_split_holds_the_classes_in_proportion() -> None:
    items = [{"id": n, "text": SENTENCES[n % 8], "label": "rare" if n < 10 else "common"} for n in range(100)]
    split = make_split(items, SplitConfig(validation=0.2), 7, strata=TASK.strata(items))
    assert sum(index < 10 for index in split.validation) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": None, "sentence": "a b"}, r"item 2 \(id 1\): there is nothing in text: fill it in"),
        ({"text": 3}, "text must be text, got int"),
        ({"text": " \n"}, "text is empty"),
        ({"text_pair": None}, "there is nothing in text_pair"),
        ({"text_pair": ""}, "text_pair is empty"),
        ({"label": None}, "there is nothing in label"),
        ({"label": -1}, "-1 marks hidden labels"),
        ({"label": "-1"}, "-1 marks hidden labels"),
        ({"label": "-"}, "the label - marks hidden labels"),
        ({"label": True}, "a label must be text or a whole number, got True: write it as text, such as 'true'"),
        ({"label": 0.5}, "a label must be text or a whole number, got 0.5: write it as text, such as '0.5'"),
        ({"label": ["a", "b"]}, "several labels are for multi_label_classification"),
        ({"label": " "}, "a label is empty or holds a control character"),
        ({"label": "O"}, "a class cannot be called 'O'"),
    ],
)
def test_an_item_that_cannot_be_used_is_named(change: dict[str, Any], reason: str) -> None:
    good = {"id": 0, "text": "a b", "text_pair": "c", "label": "same"}
    with pytest.raises(DataError, match=reason):
        TASK.check([good, {**good, "id": 1, **change}])


def _labelled(*labels: Any) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "text": "a b", "label": label} for number, label in enumerate(labels)]


def test_hidden_labels_are_counted_and_the_first_is_named_with_the_remedy() -> None:
    """SNLI writes - where its annotators do not agree, GLUE -1 where the label is secret."""
    with pytest.raises(DataError) as error:
        TASK.check(_labelled("neutral", "entailment", "-", "neutral", -1))
    assert str(error.value) == (
        "item 3 (id 'q2'): the label - marks hidden labels, which cannot be learned or scored (2 of 5 items have one): "
        'leave these items out with data: {drop_labels: ["-"]}; or, if it is a label like any other, write '
        "task_options: {hidden: []}"
    )


def test_sentiment_from_minus_one_to_one_is_allowed_on_request() -> None:
    items = _labelled(-1, 0, 1, -1)
    allowed = TASK.configured({"hidden": []})
    allowed.check(items)
    assert allowed.label_space(items) == ("-1", "0", "1")


def test_other_marks_of_hidden_labels_can_be_named() -> None:
    task = TASK.configured({"hidden": ["?", -1]})
    task.check(_labelled("a", "-", "b"))
    for hidden in ("?", -1, "-1"):
        with pytest.raises(DataError, match=r"2 \(id 'q1'\): the label .*1 of 3 items"):
            task.check(_labelled("a", hidden, "b"))
    assert task.options.model_dump(mode="json")["hidden"] == ["?", "-1"]
    assert TASK.options.model_dump(mode="json")["hidden"] is None


def test_one_class_only_is_refused() -> None:
    with pytest.raises(DataError, match=r"only one class \(same\)"):
        TASK.check([{"id": 0, "text": "a", "label": "same"}])


def test_training_on_one_class_is_refused_and_a_class_that_training_lacks_is_not() -> None:
    items = tiny_texts(8)
    items[7]["label"] = "rare"
    split = make_split(items, SplitConfig(), 42, parts={"train": range(6), "validation": [6, 7]})
    TASK.check_split(items, split, TASK.label_space(items))
    alike = [{**item, "label": "calm"} for item in items[:6]] + items[6:]
    with pytest.raises(DataError, match="the training items have only the label 'calm': nothing can be learned"):
        TASK.check_split(alike, split, TASK.label_space(items))
