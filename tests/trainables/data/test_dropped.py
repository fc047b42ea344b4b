"""Items with a label that the user names are left out, counted, and the official parts keep their items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainables.config import DataConfig
from trainables.data.dataset import DataError
from trainables.data.forms.dropped import Kept, without_labels
from trainables.data.load import fingerprint, load_corpus

FIELDS = ("text", "label")


def _items(*labels: Any) -> list[dict[str, Any]]:
    return [{"id": number, "text": "a", "label": label} for number, label in enumerate(labels)]


def test_items_are_left_out_and_parts_keep_theirs() -> None:
    items = _items("a", "-", "b", -1, "a", "b")
    kept = without_labels(items, {"train": [0, 1, 2], "validation": [3, 4], "test": range(5, 6)}, ("-", "-1"))
    assert [item["id"] for item in kept.items] == [0, 2, 4, 5]
    assert kept.parts == {"train": [0, 1], "validation": [2], "test": [3]}
    assert kept.notes == ("2 of 6 items are left out: they have the label '-' or '-1' (data.drop_labels)",)


def test_an_item_with_several_labels_is_left_out_as_a_whole() -> None:
    items = [{"id": 1, "labels": ["joy", "?"]}, {"id": 2, "labels": []}, {"id": 3, "labels": ["joy"]}]
    assert [item["id"] for item in without_labels(items, None, ("?",)).items] == [2, 3]


def test_nothing_happens_unasked() -> None:
    items = _items("a", "-")
    assert without_labels(items, None, None) == Kept(items, None)


@pytest.mark.parametrize(
    ("items", "labels", "reason"),
    [
        (_items("a", "b"), ("c",), "no item has the label 'c'; there are: 'a', 'b'"),
        (_items("a", "a"), ("a",), "no item would stay"),
        ([{"id": 1, "words": ["a"], "labels": ["O"]}], ("O",), "for labels of words, see data.outside"),
        ([{"id": 1, "text": "a"}], ("O",), "there are: none"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused(
    items: list[dict[str, Any]], labels: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        without_labels(items, None, labels)


def test_the_corpus_lacks_them_and_has_another_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "snli.jsonl"
    path.write_text("\n".join(map(json.dumps, _items("entailment", "-", "neutral", -1))), encoding="utf-8")
    data = DataConfig.model_validate({"path": str(path), "drop_labels": ("-", -1)})
    corpus = load_corpus(data, FIELDS)
    assert [item["label"] for item in corpus.items] == ["entailment", "neutral"]
    assert "2 of 4 items are left out" in corpus.notes[0]
    assert corpus.fingerprint != fingerprint(DataConfig(path=str(path)), FIELDS)
    as_text = DataConfig(path=str(path), drop_labels=("-", "-1"))
    assert as_text == data
    assert DataConfig.model_validate_json(data.model_dump_json()) == data
