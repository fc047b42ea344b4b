"""Words are the unit: the same for every tokenizer, none dropped silently, scored by their first piece."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tiny import FAMILIES, Family, tiny_items, tiny_model
from trainables.config import ModelConfig, SplitConfig
from trainables.data.dataset import DataError
from trainables.data.features import Features, Ragged
from trainables.data.splits import make_split
from trainables.modeling.pretrained import load_tokenizer
from trainables.tasks.token_classification import TASK

ITEM = {
    "id": 3,
    "cluster": "page 1",
    "words": ["\n    ", "The", "power", " ", "bus", "zebra", "\t"],
    "labels": ["O", "O", "Power", "O", "Power", "Data", "O"],
}
LABELS = ("O", "Data", "Power")
GOLD = ["O", "OBDH", "OBDH", "O", "Power", "O", "O", "O", "Thermal", "O"]
PREDICTED = ["O", "OBDH", "O", "O", "Power", "O", "O", "Power", "O", "O"]


def _tokenizer(folder: Path, family: Family = "bert", **changes: Any) -> Any:
    arguments = {"add_prefix_space": True} if family in ("roberta", "modernbert") else {}
    return load_tokenizer(
        ModelConfig(name="tiny", source=str(tiny_model(folder, family)), tokenizer=arguments, **changes)
    )


def _says(features: Features, said: np.ndarray) -> dict[str, Ragged]:
    return {"label": Ragged(said.astype(np.int16), features.columns["input_ids"].offsets)}


def _gold_outputs(features: Features) -> dict[str, Ragged]:
    return _says(features, np.maximum(features.extra["token_label"].values, 0))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tokenizer_is_given_and_scored_on_the_same_words(tmp_path: Path, family: Family) -> None:
    features = TASK.encode([ITEM], _tokenizer(tmp_path, family), LABELS, 64)
    table = TASK.predictions([ITEM], features, _gold_outputs(features), LABELS)
    assert table["position"].tolist() == [1, 2, 4, 5]
    assert table["gold"].tolist() == ["O", "Power", "Power", "Data"]
    assert table["predicted"].tolist() == table["gold"].tolist()
    assert table["item"].tolist() == ["3"] * 4
    assert table["cluster"].tolist() == ["page 1"] * 4
    assert table["correct"].all()
    assert features.facts == {
        "truncated_items": 0,
        "truncated_words": 0,
        "words_without_pieces": 0,
        "white_space_words": 3,
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_only_first_pieces_enter_the_loss(tmp_path: Path, family: Family) -> None:
    features = TASK.encode([ITEM, *tiny_items(4)], _tokenizer(tmp_path, family), LABELS, 64)
    labels, word = features.columns["labels"], features.extra["word"]
    for row in range(len(features)):
        places, in_loss = word.row(row), labels.row(row) != -100
        first = [index for index, place in enumerate(places) if place >= 0 and place not in places[:index]]
        assert np.flatnonzero(in_loss).tolist() == first
        assert features.terms[row] == len(first)
        assert places[0] == places[-1] == -1
    zebra = features.extra["token_label"].row(0)[word.row(0) == 5]
    assert len(zebra) > 1
    assert set(zebra.tolist()) == {LABELS.index("Data")}


def test_words_cut_off_by_truncation_are_misses(tmp_path: Path) -> None:
    items = [{"id": 0, "words": ["power"] * 10, "labels": ["Power"] * 10}, *tiny_items(2, offset=1)]
    tokenizer = _tokenizer(tmp_path)
    pieces = len(tokenizer(["power"], is_split_into_words=True)["input_ids"]) - 2
    features = TASK.encode(items, tokenizer, LABELS, 4 * pieces + 2)
    assert features.facts["truncated_words"] >= 6
    table = TASK.predictions(items, features, _gold_outputs(features), LABELS)
    first = table[table["item"] == "0"]
    assert first["predicted"].isna().tolist() == [False] * 4 + [True] * 6
    assert first["correct"].tolist() == [True] * 4 + [False] * 6
    assert first["pieces"].tolist() == ["\t".join(["Power"] * pieces)] * 4 + [""] * 6
    assert TASK.score(first)["weighted_f1"] == pytest.approx(2 * 4 / (4 + 10))
    assert TASK.score(first)["accuracy"] == pytest.approx(0.4)


def test_a_part_of_the_features_gives_the_predictions_of_that_part(tmp_path: Path) -> None:
    items = tiny_items(6)
    features = TASK.encode(items, _tokenizer(tmp_path), LABELS, 64)
    said = np.random.default_rng(0).integers(0, 3, len(features.columns["input_ids"].values))
    whole = TASK.predictions(items, features, _says(features, said), LABELS)
    part = features.take([4, 1])
    found = TASK.predictions(items, part, {"label": _says(features, said)["label"].take([4, 1])}, LABELS)
    expected = pd.concat([whole[whole["item"] == "4"], whole[whole["item"] == "1"]], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def _table(gold: list[str], predicted: list[str | None]) -> pd.DataFrame:
    pieces = [label or "" for label in predicted]
    return pd.DataFrame({"item": ["0"] * len(gold), "gold": gold, "predicted": predicted, "pieces": pieces})


def test_scores_are_the_hand_checked_ones() -> None:
    scores = TASK.score(_table(GOLD, list(PREDICTED)))
    assert scores["accuracy"] == pytest.approx(0.7)
    assert scores["micro_f1"] == pytest.approx(0.571429, abs=1e-6)
    assert scores["macro_f1_with_outside"] == pytest.approx(0.525641, abs=1e-6)
    assert scores["macro_f1"] == pytest.approx(0.444444, abs=1e-6)
    assert scores["piece_weighted_f1"] == pytest.approx(scores["weighted_f1"])
    assert set(scores) == set(TASK.metrics) - {"span_f1", "span_f1_strict"}
    assert TASK.primary_metric in scores


def test_piece_scores_count_every_piece_with_the_label_of_its_word() -> None:
    table = _table(["Power", "Data", "O"], ["Power", "Power", "O"])
    table["pieces"] = ["Power\tO\tPower", "Power", "O\tO"]
    power = 2 * 2 / (3 + 3)
    assert TASK.score(table)["piece_weighted_f1"] == pytest.approx((3 * power + 1 * 0.0) / 4)


def test_span_scores_exist_only_for_tags() -> None:
    scores = TASK.score(_table(["B-NP", "I-NP", "O"], ["I-NP", "I-NP", "O"]))
    assert scores["span_f1"] == 1.0
    assert scores["span_f1_strict"] == 0.0


def test_a_predicted_label_that_is_no_tag_leaves_out_span_scores_and_does_not_stop_the_run() -> None:
    scores = TASK.score(_table(["B-NP", "I-NP", "O"], ["B-NP", "Other", "O"]))
    assert "span_f1" not in scores
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_scores_survive_the_result_tables(tmp_path: Path) -> None:
    items = tiny_items(6)
    features = TASK.encode(items, _tokenizer(tmp_path / "model"), LABELS, 16)
    said = np.random.default_rng(0).integers(0, 3, len(features.columns["input_ids"].values))
    table = TASK.predictions(items, features, _says(features, said), LABELS)
    table.to_parquet(tmp_path / "predictions.parquet")
    assert TASK.score(pd.read_parquet(tmp_path / "predictions.parquet")) == TASK.score(table)


def test_a_model_that_says_one_class_only_has_collapsed() -> None:
    assert TASK.collapse(_table(GOLD, ["O"] * 10))
    assert TASK.collapse(_table(GOLD, [*["O"] * 9, None]))
    assert not TASK.collapse(_table(GOLD, list(PREDICTED)))
    assert not TASK.collapse(_table(GOLD, ["Power"] * 10))
    many, rest = [*["O"] * 140, *["Power"] * 60], ["Power"] * 2
    assert TASK.collapse(pd.DataFrame({"gold": many, "predicted": [*["O"] * 198, *rest]})) == (
        "198 of 200 words got the label O"
    )
    assert (
        TASK.collapse(pd.DataFrame({"gold": [*["O"] * 190, *["Power"] * 10], "predicted": [*["O"] * 198, *rest]}))
        is None
    )


def test_the_loss_is_a_sum_over_first_pieces_in_float32() -> None:
    logits = torch.zeros(2, 3, 4, dtype=torch.bfloat16)
    batch = {"labels": torch.tensor([[-100, 1, -100], [2, 3, -100]])}
    loss = TASK.loss(SimpleNamespace(logits=logits), batch)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(3 * np.log(4), rel=1e-6)
    assert float(TASK.loss(SimpleNamespace(logits=logits[:1] * 0), {"labels": torch.full((1, 3), -100)})) == 0.0


def test_outputs_are_the_most_probable_labels() -> None:
    logits = torch.tensor([[[0.0, 2.0], [1.0, 0.0]]])
    assert TASK.outputs(SimpleNamespace(logits=logits), {}, torch.nn.Module())["label"].tolist() == [[1, 0]]
    assert tuple(TASK.outputs(SimpleNamespace(logits=logits), {}, torch.nn.Module())) == TASK.token_outputs


def test_the_outside_label_comes_first() -> None:
    items = [{"id": 0, "words": ["a", "b", "c"], "labels": ["Zeta", "O", "Alpha"]}]
    assert TASK.label_space(items) == ("O", "Alpha", "Zeta")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": None}, r"item 2 \(id 1\): there is nothing in labels"),
        ({"words": "The bus"}, "words must be a list, got str"),
        ({"words": ["a", 3]}, "words must hold text only, got 3"),
        ({"labels": ["O", None]}, "labels must hold text only, got None"),
        ({"labels": ["O", -1]}, "-1 marks hidden labels"),
        ({"labels": [0, 3]}, "labels must hold text only, got 0; numbers of classes need data.label_names"),
        ({"labels": ["O"]}, "2 words but 1 labels"),
        ({"words": [" ", "\n"]}, "its words are white space only"),
        ({"labels": ["O", " "]}, "a label is empty"),
        ({"labels": ["O", "A\tB"]}, "or holds a control character"),
    ],
)
def test_an_item_that_cannot_be_used_is_named(change: dict[str, Any], reason: str) -> None:
    good = {"id": 0, "words": ["a", "b"], "labels": ["O", "A"]}
    with pytest.raises(DataError, match=reason):
        TASK.check([good, {**good, "id": 1, **change}])


def test_one_class_only_is_refused() -> None:
    with pytest.raises(DataError, match=r"only one class \(O\)"):
        TASK.check([{"id": 0, "words": ["a"], "labels": ["O"]}])


def test_training_on_one_label_is_refused_and_a_label_that_training_lacks_is_not() -> None:
    items = tiny_items(8)
    items[7] = {"id": 7, "words": ["x"], "labels": ["Rare"]}
    split = make_split(items, SplitConfig(), 42, parts={"train": range(6), "validation": [6, 7]})
    TASK.check_split(items, split, TASK.label_space(items))
    outside = [{**item, "labels": ["O"] * len(item["words"])} for item in items[:6]] + items[6:]
    with pytest.raises(DataError, match="the training items have only the label 'O': nothing can be learned"):
        TASK.check_split(outside, split, TASK.label_space(items))


def test_a_tokenizer_that_would_misread_words_is_refused(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(ModelConfig(name="tiny", source=str(tiny_model(tmp_path, "roberta"))))
    with pytest.raises(ValueError, match=r"tokenizer: \{add_prefix_space: true\}"):
        TASK.encode([ITEM], tokenizer, LABELS, 64)


def test_a_tokenizer_without_word_positions_is_refused() -> None:
    slow: Any = SimpleNamespace(is_fast=False, name_or_path="slow one")
    with pytest.raises(ValueError, match="slow one: token_classification needs a fast tokenizer"):
        TASK.encode([ITEM], slow, LABELS, 64)
