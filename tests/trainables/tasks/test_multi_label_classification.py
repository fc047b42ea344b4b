"""Any number of labels a text: thresholds are tuned elsewhere and frozen, an empty set stays empty unless asked."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from sklearn import metrics as sklearn_metrics
from torch.nn import functional

from tests.tiny import FAMILIES, Family
from tests.trainables.tasks.texts import tiny_label_sets, tiny_tokenizer
from trainables.config import DataConfig, SplitConfig
from trainables.data.dataset import Corpus, DataError
from trainables.data.features import Features, Ragged
from trainables.data.load import load_corpus
from trainables.data.splits import make_split, split_for
from trainables.tasks._labels import best_threshold, positive_weights
from trainables.tasks.multi_label_classification import TASK, MultiLabelClassification

LABELS = ("data", "power")


def _says(rows: list[list[float]]) -> dict[str, Ragged]:
    return {"probability": Ragged.from_rows(rows, np.float32)}


def _table(probabilities: list[list[float]], task: MultiLabelClassification = TASK) -> tuple[Features, pd.DataFrame]:
    items = tiny_label_sets(len(probabilities))
    features = task.encode(items, tiny_tokenizer(), LABELS, 64)
    return features, task.predictions(items, features, _says(probabilities), LABELS)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_item_is_one_feature_with_one_loss_term_a_label(family: Family) -> None:
    features = TASK.encode(tiny_label_sets(4), tiny_tokenizer(family), LABELS, 64)
    assert features.terms.tolist() == [2] * 4
    assert [features.columns["labels"].row(row).tolist() for row in range(4)] == [[0, 1], [1, 1], [0, 0], [1, 0]]


def test_sets_of_labels_are_texts_with_tabs_and_no_label_is_the_empty_text() -> None:
    _, table = _table([[0.1, 0.9], [0.8, 0.5], [0.2, 0.3], [0.4, 0.6]])
    assert table["gold"].tolist() == ["power", "data\tpower", "", "data"]
    assert table["predicted"].tolist() == ["power", "data\tpower", "", "power"]
    assert table["correct"].tolist() == [True, True, True, False]
    assert table["cluster"].tolist() == ["page 0", "page 1"] * 2
    assert table["probability_data"].tolist() == pytest.approx([0.1, 0.8, 0.2, 0.4])
    assert set(table["labels"]) == {"data\tpower"}


def test_a_global_threshold_decides_all_labels_and_tunes_nothing() -> None:
    task = TASK.configured({"threshold": 0.4})
    _, table = _table([[0.1, 0.9], [0.8, 0.5], [0.2, 0.3], [0.45, 0.39]], task)
    assert table["predicted"].tolist() == ["power", "data\tpower", "", "data"]
    assert TASK.tunes
    assert not task.tunes
    assert task.tune(table) == {}


def test_an_empty_set_stays_empty_unless_one_label_is_asked_for() -> None:
    rows = [[0.1, 0.2], [0.3, 0.2], [0.0, 0.0], [0.9, 0.1]]
    assert _table(rows)[1]["predicted"].tolist() == ["", "", "", "data"]
    asked = _table(rows, TASK.configured({"at_least_one": True}))[1]
    assert asked["predicted"].tolist() == ["power", "data", "data", "data"]


def test_thresholds_are_tuned_for_each_label_and_then_frozen() -> None:
    _, tuned_on = _table([[0.1, 0.2], [0.3, 0.3], [0.2, 0.1], [0.4, 0.1]])
    thresholds = TASK.tune(tuned_on)
    assert thresholds == pytest.approx({"data": 0.25, "power": 0.15})
    assert TASK.score(TASK.apply_thresholds(tuned_on, thresholds))["macro_f1"] == 1.0
    _, other = _table([[0.24, 0.16], [0.9, 0.9], [0.26, 0.1], [0.5, 0.14]])
    assert TASK.apply_thresholds(other, thresholds)["predicted"].tolist() == ["power", "data\tpower", "data", "data"]
    assert TASK.apply_thresholds(other, {}) is other


def test_decisions_can_be_made_again_from_stored_predictions(tmp_path: Path) -> None:
    _, table = _table([[0.1, 0.2], [0.3, 0.3], [0.2, 0.1], [0.4, 0.1]])
    table.to_parquet(tmp_path / "predictions.parquet")
    stored = pd.read_parquet(tmp_path / "predictions.parquet")
    thresholds = TASK.tune(stored)
    assert thresholds == TASK.tune(table)
    assert TASK.score(TASK.apply_thresholds(stored, thresholds)) == TASK.score(TASK.apply_thresholds(table, thresholds))
    assert TASK.apply_thresholds(stored, thresholds)["correct"].tolist() == [True] * 4


def test_the_best_threshold_is_half_way_and_of_equal_ones_the_nearest_to_the_default() -> None:
    gold = np.array([True, True, False])
    assert best_threshold(gold, np.array([0.9, 0.7, 0.1]), 0.5) == pytest.approx(0.4)
    assert best_threshold(gold, np.array([0.2, 0.3, 0.2]), 0.5) == pytest.approx(0.1)
    assert best_threshold(~gold & False, np.array([0.9, 0.7, 0.1]), 0.5) == 0.5
    assert best_threshold(np.array([True, True]), np.array([0.0, 0.0]), 0.5) == 0.0


def test_no_other_threshold_has_a_better_f1() -> None:
    for number in range(10):
        generator = np.random.default_rng(number)
        gold = generator.random(50) < 0.3
        probability = np.round(np.clip(generator.normal(0.3 + 0.3 * gold, 0.2), 0, 1), 2).astype(np.float32)
        scores = [
            sklearn_metrics.f1_score(gold, probability.astype(float) >= threshold)
            for threshold in (best_threshold(gold, probability, 0.5), *np.arange(0, 1, 0.02))
        ]
        assert scores[0] >= max(scores) - 1e-9


def test_scores_are_those_of_scikit_learn_over_the_whole_label_space() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.random((40, 2)).tolist()
    features, table = _table(probabilities)
    gold = features.columns["labels"].values.reshape(-1, 2)
    found = np.array(probabilities) >= 0.5
    scores = TASK.score(table)
    assert tuple(scores) == TASK.metrics
    for name in ("macro", "micro", "weighted"):
        assert scores[f"{name}_f1"] == pytest.approx(sklearn_metrics.f1_score(gold, found, average=name))
    assert scores["subset_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(gold, found))
    expected = sklearn_metrics.jaccard_score(gold, found, average="samples", zero_division=1)
    assert scores["jaccard"] == pytest.approx(expected)


def test_a_label_without_support_counts_zero_in_the_macro_mean() -> None:
    _, table = _table([[0.1, 0.9], [0.9, 0.9], [0.1, 0.1], [0.9, 0.1]])
    first = table[table["gold"].isin(["power", ""])]
    assert TASK.score(first)["macro_f1"] == 0.5
    assert TASK.score(first)["micro_f1"] == 1.0


def test_balanced_weights_are_negatives_over_positives_of_the_training_part_clipped() -> None:
    items = [{"labels": ["data"]}] * 8 + [{"labels": ["data", "power"]}, {"labels": []}]
    assert TASK.fitted(items, LABELS) is TASK
    task = TASK.configured({"class_weights": "balanced"}).fitted(items, LABELS)
    assert task.weights == pytest.approx((1 / 9, 9.0))
    clipped = TASK.configured({"class_weights": "balanced", "largest_weight": 4.0}).fitted(items, LABELS)
    assert clipped.weights == pytest.approx((1 / 4, 4.0))
    assert positive_weights([0], 10, 4.0) == (1.0,)


def test_the_loss_is_a_sum_over_labels_in_float32_with_weighted_positives() -> None:
    logits = torch.tensor([[0.0, 2.0], [-1.0, 0.0]], dtype=torch.bfloat16)
    batch = {"labels": torch.tensor([[1, 0], [0, 1]])}
    loss = TASK.loss(SimpleNamespace(logits=logits), batch)
    assert loss.dtype == torch.float32
    expected = functional.binary_cross_entropy_with_logits(logits.float(), batch["labels"].float(), reduction="sum")
    assert float(loss) == pytest.approx(float(expected))
    weighted = MultiLabelClassification(weights=(3.0, 1.0)).loss(SimpleNamespace(logits=logits), batch)
    assert float(weighted - loss) == pytest.approx(2 * np.log(2), rel=1e-5)


def test_outputs_are_the_probabilities_of_all_labels() -> None:
    outputs = TASK.outputs(SimpleNamespace(logits=torch.tensor([[0.0, np.log(3.0)]])), {}, torch.nn.Module())
    assert outputs["probability"].tolist() == [pytest.approx([0.5, 0.75])]


def test_one_and_the_same_set_for_every_item_is_a_collapse() -> None:
    assert TASK.collapse(_table([[0.1, 0.1]] * 4)[1])
    assert TASK.collapse(_table([[0.9, 0.9]] * 4)[1])
    assert not TASK.collapse(_table([[0.1, 0.9], [0.1, 0.1], [0.1, 0.1], [0.1, 0.1]])[1])


def _sets(gold: list[str], predicted: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"gold": gold, "predicted": predicted})


def test_a_set_that_99_of_100_items_get_is_a_collapse_unless_it_is_nearly_always_right() -> None:
    mixed = ["joy", "anger", "", "joy\tfear"] * 50
    assert TASK.collapse(_sets(mixed, [*[""] * 199, "joy"])) == "199 of 200 items got no label"
    assert TASK.collapse(_sets(mixed, [*["joy"] * 198, "", "fear"])) == "198 of 200 items got the same answer"
    assert TASK.collapse(_sets(mixed, [*["joy"] * 197, "", "fear", "anger"])) is None
    assert TASK.collapse(_sets([*[""] * 181, *["joy"] * 19], [*[""] * 199, "joy"])) is None
    assert TASK.collapse(_sets([*[""] * 180, *["joy"] * 20], [*[""] * 199, "joy"])) == "199 of 200 items got no label"


def test_27_of_28_labels_for_every_text_are_a_collapse_though_no_two_sets_need_be_equal() -> None:
    names = [f"l{number:02}" for number in range(28)]
    gold = [names[number % 28] for number in range(280)]
    always = "\t".join(names[:27])
    predicted = [always if number % 3 else f"{always}\tl27" for number in range(280)]
    told = "27 of 28 labels were given to nearly every item, whatever its text"
    assert TASK.collapse(_sets(gold, predicted)) == told
    assert TASK.collapse(
        _sets(gold, [text.removeprefix("l00\t") if row else text for row, text in enumerate(predicted)])
    )


def test_a_weak_model_and_a_label_that_most_texts_have_are_no_collapse() -> None:
    common = ["english\turgent" if number % 20 == 0 else "english" for number in range(200)]
    assert TASK.collapse(_sets(common, [text if row else "english" for row, text in enumerate(common)])) is None
    gold = [f"l{number % 28:02}" for number in range(280)]
    only_one = ["l00" if text in ("l00", "l01") else "" for text in gold]
    assert TASK.collapse(_sets(gold, only_one)) is None
    half_known = [f"l27\t{text}" for text in gold]
    assert TASK.collapse(_sets(gold, half_known)) is None


def test_tweets_without_a_label_are_legal() -> None:
    TASK.check(tiny_label_sets())
    assert TASK.label_space(tiny_label_sets()) == LABELS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": ""}, r"item 2 \(id 1\): text is empty"),
        ({"labels": None}, "there is nothing in labels: .*an empty list stands for no label"),
        ({"labels": "data"}, "labels must be a list, got str"),
        ({"labels": ["data", -1]}, "-1 marks hidden labels"),
        ({"labels": ["data", "data"]}, "the label 'data' occurs more than once"),
        ({"labels": ["a\tb"]}, "holds a control character"),
        ({"labels": ["O"]}, "cannot be called 'O'"),
    ],
)
def test_an_item_that_cannot_be_used_is_named(change: dict[str, Any], reason: str) -> None:
    good = {"id": 0, "text": "a b", "labels": ["data", "power"]}
    with pytest.raises(DataError, match=reason):
        TASK.check([good, {**good, "id": 1, **change}])


def test_a_hidden_label_can_be_allowed() -> None:
    items = [{"id": 0, "text": "a", "labels": ["-", "data"]}, {"id": 1, "text": "b", "labels": []}]
    with pytest.raises(DataError, match=r"the label - marks hidden labels.*1 of 2 items"):
        TASK.check(items)
    TASK.configured({"hidden": []}).check(items)


def test_fewer_than_two_labels_are_refused() -> None:
    items = [{"id": 0, "text": "a", "labels": ["data"]}, {"id": 1, "text": "b", "labels": []}]
    with pytest.raises(DataError, match=r"fewer than two labels \(data\)"):
        TASK.check(items)


def test_training_items_without_any_label_are_refused_and_a_label_that_they_lack_is_not() -> None:
    items = tiny_label_sets(8)
    items[7] = {**items[7], "labels": ["rare"]}
    split = make_split(items, SplitConfig(), 42, parts={"train": range(6), "validation": [6, 7]})
    TASK.check_split(items, split, TASK.label_space(items))
    without = [{**item, "labels": []} for item in items[:6]] + items[6:]
    with pytest.raises(DataError, match="the training items have no label: nothing can be learned; change the split"):
        TASK.check_split(without, split, TASK.label_space(items))


@pytest.mark.parametrize("options", [{"threshold": 1.0}, {"threshold": "best"}, {"largest_weight": 0.5}, {"cut": 1}])
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TASK.configured(options)


def test_without_a_test_part_a_tenth_of_training_tunes_the_thresholds() -> None:
    tweets = [{**item, "cluster": f"page {number // 2}"} for number, item in enumerate(tiny_label_sets(100))]
    corpus = Corpus("tweets", tweets, "0")
    tuned = split_for(TASK, corpus, SplitConfig(), 42)
    assert [len(tuned.part(name)) for name in ("train", "calibration", "validation")] == [72, 8, 20]
    fixed = split_for(TASK.configured({"threshold": 0.4}), corpus, SplitConfig(), 42)
    assert len(fixed.calibration) == 0
    with pytest.raises(DataError, match=r"split.calibration: multi_label_classification tunes its thresholds"):
        split_for(TASK, corpus, SplitConfig(calibration=0.0), 42)


def test_a_table_with_a_column_of_0_and_1_for_every_label_is_read_as_the_experiment_file_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("key,Tweet,joy,anger\na,so glad,1,0\nb,well,0,0\nc,oh no,0,1\n", encoding="utf-8")
    columns = {"id": "key", "text": "Tweet", "labels": ["joy", "anger"]}
    written = DataConfig.model_validate_json(json.dumps({"path": str(path), "columns": columns}))
    corpus = load_corpus(written)
    TASK.check(corpus.items)
    assert [item["labels"] for item in corpus.items] == [["joy"], [], ["anger"]]
    assert TASK.label_space(corpus.items) == ("anger", "joy")
    assert DataConfig.model_validate_json(written.model_dump_json()) == written
