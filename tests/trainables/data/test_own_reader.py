"""A data set that a user's Python file defines is checked like a file, and its errors name the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainables.config import DataConfig
from trainables.data.dataset import Corpus, DataError
from trainables.data.load import load_corpus

CLASSES = ("text", "label")
HEAD = """\
from pathlib import Path
from trainables.data.dataset import Dataset, HeldOut, Reading
HERE = Path(__file__).parent
ITEMS = [{"id": 1, "text": "a", "label": "x"}, {"id": 2, "text": "b", "label": "y"}, {"id": 3, "text": "c", "label": 0}]
def read(location):
"""
TAIL = "DATASET = Dataset('mine', 'my data', 'TASK', 'mine', ('rows.txt',), read, HERE, test=TEST)\n"


def _corpus(
    folder: Path,
    body: str,
    *,
    task: str = "sequence_classification",
    fields: tuple[str, ...] = CLASSES,
    test: str = "None",
    tail: str = TAIL,
    **data: Any,
) -> Corpus:
    (folder / "rows.txt").write_text("a\n", encoding="utf-8")
    source = f"{HEAD}    {body}\n{tail.replace('TASK', task).replace('TEST', test)}"
    (folder / "mine.py").write_text(source, encoding="utf-8")
    return load_corpus(DataConfig(name=str(folder / "mine.py"), **data), fields)


def test_a_part_named_dev_is_the_validation_part(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path, "return Reading(ITEMS, {'train': [0], 'dev': [1], 'test': range(2, 3)})")
    assert corpus.parts == {"train": [0], "validation": [1], "test": range(2, 3)}


def test_the_data_set_is_named_by_its_file_and_not_by_where_it_lies(tmp_path: Path) -> None:
    assert _corpus(tmp_path, "return Reading(ITEMS)").name == "mine.py"


def test_items_without_ids_are_numbered_and_labels_become_classes(tmp_path: Path) -> None:
    body = "return Reading([{'text': 'a', 'label': True}, {'text': 'b', 'label': 0.5}, {'text': 'c', 'label': 2.0}])"
    assert _corpus(tmp_path, body).items == [
        {"id": 1, "text": "a", "label": "true"},
        {"id": 2, "text": "b", "label": "0.5"},
        {"id": 3, "text": "c", "label": 2},
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return Reading(ITEMS, {'train': [0], 'holdout': [1]})", "mine.py: parts: 'holdout': no part is called that"),
        ("return Reading(ITEMS, {'train': [0], 'dev': [1], 'valid': [2]})", "there is another validation part"),
        ("return Reading(ITEMS, {'train': [0, 1], 'dev': [1]})", "item 2 (id 2) is in 'train' and in 'dev'"),
        ("return Reading(ITEMS, {'train': [0, 0], 'dev': [1]})", "item 1 (id 1) is twice in 'train'"),
        ("return Reading(ITEMS, {'train': [0], 'dev': [3]})", "'dev' holds 3, which is no index of the 3 items"),
        ("return Reading(ITEMS, {'train': [0], 'dev': [-1]})", "'dev' holds -1, which is no index"),
        ("return Reading(ITEMS, {'train': [True, False]})", "'train' holds True, which is no index"),
        ("return Reading(ITEMS, {'dev': [1]})", "there is no train part, only 'dev'"),
        ("return Reading(ITEMS, {'train': [0], 'dev': []})", "'dev' is empty; leave it out"),
        ("return Reading(ITEMS, [0, 1])", "parts must map names of parts to item indices, got list"),
        ("return Reading(ITEMS + ITEMS[:1])", "items 1 and 4 have the same id 1"),
        ("return Reading([{'id': 1, 'text': 'a'}, {'id': '1', 'text': 'b'}])", "items 1 and 2 have the same id '1'"),
        ("return Reading([{'id': None, 'text': 'a'}])", "item 1: its id must be text or a whole number, got None"),
        ("return Reading([('a', 'x')])", "item 1: must be a dict with text as keys, got ('a', 'x')"),
        ("return Reading([])", "the reader returns no items"),
        ("return Reading(item for item in ITEMS)", "the items must be a list of dicts, got generator"),
        ("return ITEMS", "read must return Reading(items, parts), got list"),
        ("return Reading([{'label': row['lable']} for row in ITEMS])", "mine.py:6: KeyError: 'lable'"),
        ("import json; return json.loads('x')", "mine.py:6: JSONDecodeError: Expecting value"),
        ("raise SystemExit(3)", "mine.py:6: SystemExit: 3"),
    ],
)
def test_what_a_reader_does_wrong_is_said_with_file_line_or_item(tmp_path: Path, body: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        _corpus(tmp_path, body)
    assert str(caught.value).startswith(str(tmp_path / "mine.py"))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("import nothing_of_this_name\n", "mine.py:7: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def f(:\n", "mine.py:7: SyntaxError: "),
        ("DATASET = 3\n", "mine.py: DATASET must be a trainables.data.dataset.Dataset, got int"),
        ("DATA = 3\n", "does not define DATASET"),
    ],
)
def test_a_file_that_defines_no_data_set_is_refused(tmp_path: Path, tail: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        _corpus(tmp_path, "return Reading(ITEMS)", tail=tail)
    assert reason in str(caught.value)


def test_the_reader_of_a_test_part_is_checked_too(tmp_path: Path) -> None:
    held_out = "HeldOut((), lambda folder: [ITEMS[0]['no']], by_default=True)"
    with pytest.raises(DataError, match=r"mine\.py:7: KeyError: 'no'"):
        _corpus(tmp_path, "return Reading(ITEMS)", test=held_out)
    held_out = "HeldOut((), lambda folder: [{'id': 3}], by_default=True)"
    with pytest.raises(DataError, match="items 3 and 4 have the same id 3"):
        _corpus(tmp_path, "return Reading(ITEMS)", test=held_out)


def test_a_data_set_for_another_task_is_pointed_out_and_refused_if_a_field_is_missing(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path, "return Reading(ITEMS)", task="token_classification")
    assert corpus.notes == (
        "mine.py: the data set is for the task token_classification, which needs other fields than the task of this "
        "experiment",
    )
    with pytest.raises(DataError, match=r"and its items have no words and no labels \(they have: text, label\)"):
        _corpus(tmp_path, "return Reading(ITEMS)", fields=("words", "labels"))
    assert _corpus(tmp_path, "return Reading(ITEMS)", fields=("text",)).notes == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"columns": {"text": "label"}}, "mine.py reads rows.txt itself: remove data.columns"),
        ({"delimiter": ";"}, "data.delimiter: mine.py has a reader of its own, so the key would do nothing"),
    ],
)
def test_a_setting_that_the_reader_would_not_see_is_refused(tmp_path: Path, data: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        _corpus(tmp_path, "return Reading(ITEMS)", **data)
    assert reason in str(caught.value)


def test_word_labels_that_become_tags_change_the_fingerprint(tmp_path: Path) -> None:
    prints = {}
    for separator in ("-", "_"):
        folder = tmp_path / separator
        folder.mkdir()
        labels = [f"B{separator}X", f"I{separator}X"]
        body = f"return Reading([{{'id': 1, 'words': ['a', 'b'], 'labels': {labels}}}])"
        corpus = _corpus(folder, body, task="token_classification", fields=("words", "labels"))
        assert corpus.items[0]["labels"] == ["B-X", "I-X"]
        prints[separator] = corpus.fingerprint
    assert prints["-"] != prints["_"]
