"""Labels as the user declares them: numbers get names, the outside label and the scheme of tags become canonical."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainables.config import DataConfig
from trainables.data.dataset import DataError
from trainables.data.load import fingerprint, load_corpus

TAGGING, SINGLE, MULTIPLE = ("words", "labels"), ("text", "label"), ("text", "labels")


def _written(folder: Path, rows: list[dict[str, Any]], name: str = "a.jsonl") -> str:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def _labels(data: DataConfig, fields: tuple[str, ...]) -> list[Any]:
    return [item["labels" if "labels" in fields else "label"] for item in load_corpus(data, fields).items]


@pytest.mark.parametrize(("text", "changed"), [("Berlin", False), ("Berlin ", True)])
def test_answers_have_the_white_space_of_their_context_and_the_fingerprint_says_so(
    tmp_path: Path, text: str, changed: bool
) -> None:
    row = {"question": "q", "context": "In Berlin .", "answers": {"text": [text], "answer_start": [3]}}
    data, fields = DataConfig(path=_written(tmp_path, [row])), ("question", "context", "answers")
    corpus = load_corpus(data, fields)
    assert corpus.items[0]["answers"] == {"text": ["Berlin"], "answer_start": [3]}
    assert len(corpus.notes) == int(changed)
    as_written = fingerprint(data, ("question",))
    assert (corpus.fingerprint != as_written) is changed


@pytest.mark.parametrize("labels", [["0", "1", "0"], [0, 1, 0], [0.0, 1.0, 0.0]])
def test_class_numbers_get_names(tmp_path: Path, labels: list[Any]) -> None:
    path = _written(tmp_path, [{"text": "a", "label": label} for label in labels])
    assert _labels(DataConfig(path=path, label_names=("neg", "pos")), SINGLE) == ["neg", "pos", "neg"]


def test_numbers_of_tags_get_names(tmp_path: Path) -> None:
    path = _written(tmp_path, [{"words": ["a", "b"], "labels": [0, 1]}])
    assert _labels(DataConfig(path=path, label_names=("O", "B-X")), TAGGING) == [["O", "B-X"]]


@pytest.mark.parametrize("cells", [([0, 1, 0], [1, 0, 1]), ("[0, 1, 0]", "[1, 0, 1]"), ("0 1 0", "1 0 1")])
def test_vectors_of_0_and_1_get_names(tmp_path: Path, cells: tuple[Any, Any]) -> None:
    path = _written(tmp_path, [{"text": "a", "labels": cell} for cell in cells])
    assert _labels(DataConfig(path=path, label_names=("x", "y", "z")), MULTIPLE) == [["y"], ["x", "z"]]


def test_lists_of_class_numbers_are_no_vectors(tmp_path: Path) -> None:
    path = _written(tmp_path, [{"text": "a", "labels": [2]}, {"text": "b", "labels": [0, 2]}])
    assert _labels(DataConfig(path=path, label_names=("x", "y", "z")), MULTIPLE) == [["z"], ["x", "z"]]


@pytest.mark.parametrize(
    ("label", "reason"),
    [(2, "2 is neither one of the 2 names nor a number from 0 to 1"), ("mid", "'mid' is neither one of the 2 names")],
)
def test_a_number_without_a_name_is_refused(tmp_path: Path, label: Any, reason: str) -> None:
    path = _written(tmp_path, [{"text": "a", "label": 0}, {"text": "b", "label": label}])
    with pytest.raises(DataError, match=f"item 2 .*{reason}"):
        load_corpus(DataConfig(path=path, label_names=("neg", "pos")), SINGLE)


def test_a_vector_without_names_is_refused_with_the_key_that_gives_them(tmp_path: Path) -> None:
    path = _written(tmp_path, [{"text": "a", "labels": [0, 1, 0]}])
    with pytest.raises(DataError, match=r"row 1: .*needs the names of its 3 labels \(data.label_names\)"):
        load_corpus(DataConfig(path=path), MULTIPLE)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["joy|fear", "", "anger"], [["joy", "fear"], [], ["anger"]]),
        (["joy, fear", "joy", "fear"], [["joy", "fear"], ["joy"], ["fear"]]),
        (["['joy', 'fear']", "[]", "['anger']"], [["joy", "fear"], [], ["anger"]]),
        (["a, b|c", "c", "a, b"], [["a, b", "c"], ["c"], ["a, b"]]),
    ],
)
def test_lists_of_labels_in_one_cell(tmp_path: Path, cells: list[str], labels: list[list[str]]) -> None:
    path = _written(tmp_path, [{"text": "a", "labels": cell} for cell in cells])
    assert _labels(DataConfig(path=path), MULTIPLE) == labels


def test_outside_and_scheme_make_canonical_tags(tmp_path: Path) -> None:
    rows = [{"words": ["Anna", "Berg", "in", "Bonn"], "labels": ["I-PER", "I-PER", "0", "I-LOC"]}]
    data = DataConfig(path=_written(tmp_path, rows), outside="0", scheme="iob1")
    corpus = load_corpus(data, TAGGING)
    assert corpus.items[0]["labels"] == ["B-PER", "I-PER", "O", "B-LOC"]
    assert any("'0' (1 word) is read as O" in note for note in corpus.notes)


def test_what_labels_look_like_is_said_in_the_notes(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": label} for label in ("neg", "neg ", "Neg", "pos")]
    notes = load_corpus(DataConfig(path=_written(tmp_path, rows)), SINGLE).notes
    assert any("'neg' (1) / 'neg ' (1) / 'Neg' (1)" in note for note in notes)


def test_a_fingerprint_changes_with_what_is_declared_and_with_tags_that_are_respelled(tmp_path: Path) -> None:
    plain = _written(tmp_path, [{"words": ["a", "b"], "labels": ["B-X", "I-X"]}], "plain.jsonl")
    data = DataConfig(path=plain)
    assert fingerprint(data, TAGGING) == fingerprint(data)
    assert fingerprint(data.model_copy(update={"outside": "B-X"}), TAGGING) != fingerprint(data)
    other = _written(tmp_path, [{"text": "a b", "words": ["a", "b"], "labels": ["B_X", "I_X"]}], "other.jsonl")
    assert fingerprint(DataConfig(path=other), TAGGING) != fingerprint(DataConfig(path=other), ("text",))
    assert _labels(DataConfig(path=other), TAGGING) == [["B-X", "I-X"]]


def test_declarations_that_do_not_fit_the_task_are_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, [{"text": "a", "label": "x"}])
    with pytest.raises(DataError, match=r"data.outside .*: remove them"):
        load_corpus(DataConfig(path=path, outside="x"), SINGLE)
    with pytest.raises(DataError, match=r"data.label_names: this task has no labels"):
        load_corpus(DataConfig(path=path, label_names=("a", "b")), ("text",))
