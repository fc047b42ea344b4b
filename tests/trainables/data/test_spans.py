"""Texts with spans from annotation tools: the words and tags that a careful person would write down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainables.data.dataset import DataError, Item
from trainables.data.forms.spans import words_of
from trainables.data.how_read import HowRead, ReadOptions
from trainables.data.items import items_of

TAGGING = ("words", "labels")
TEXT = "Ada Lovelace met Babbage, in London."
WORDS = ["Ada", "Lovelace", "met", "Babbage", ",", "in", "London", "."]
TAGS = ["B-PER", "I-PER", "O", "B-PER", "O", "O", "B-LOC", "O"]
TRIPLES: list[list[Any]] = [[0, 12, "PER"], [17, 24, "PER"], [29, 35, "LOC"]]


def _items(folder: Path, rows: Any, fields: tuple[str, ...] = TAGGING, **options: Any) -> tuple[list[Item], HowRead]:
    path = folder / "a.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    how = HowRead(str(path))
    return items_of(path, ReadOptions(fields=fields, **options), how), how


def _tagged(items: list[Item]) -> list[tuple[list[str], list[str]]]:
    return [(item["words"], item["labels"]) for item in items]


def _objects(start: str, end: str, label: str = "label", **more: Any) -> list[dict[str, Any]]:
    return [{start: first, end: last, label: name, **more} for first, last, name in TRIPLES]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "label": TRIPLES},
        {"text": TEXT, "labels": TRIPLES},
        {
            "text": TEXT,
            "entities": _objects("start_offset", "end_offset", id=4),
            "relations": [{"from_id": 4, "to_id": 4}],
        },
        {"text": TEXT, "spans": _objects("start", "end"), "_input_hash": 3, "answer": "accept"},
        {"text": TEXT, "ents": _objects("start", "end")},
        {"text": TEXT, "label": [{"start": a, "end": b, "text": TEXT[a:b], "labels": [c]} for a, b, c in TRIPLES]},
        {"text": TEXT, "spans": [[label, start, end] for start, end, label in TRIPLES]},
        {"text": TEXT, "marks": TRIPLES},
        {"text": TEXT, "spans": json.dumps(TRIPLES)},
        {"text": TEXT, "spans": str([tuple(triple) for triple in TRIPLES])},
        {
            "text": TEXT,
            "annotation": [
                {"label": [name], "points": [{"start": start, "end": end - 1, "text": TEXT[start:end]}]}
                for start, end, name in TRIPLES
            ],
        },
        [TEXT, {"entities": TRIPLES}],
    ],
)
def test_each_form_of_spans_gives_the_same_words_and_tags(tmp_path: Path, row: Any) -> None:
    items, how = _items(tmp_path, [row])
    assert _tagged(items) == [(WORDS, TAGS)]
    assert how.notes == []
    assert how.columns["words"] == "text, cut into words and punctuation"
    assert how.changed


def test_label_studio_takes_the_first_annotation_that_was_not_cancelled(tmp_path: Path) -> None:
    def result(start: int, end: int, label: str) -> dict[str, Any]:
        value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
        return {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}

    done = {"result": [result(*triple) for triple in TRIPLES]}
    tasks = [
        {"id": 5, "data": {"text": TEXT}, "annotations": [{"was_cancelled": True, "result": []}, done, done]},
        {"id": 6, "data": {"text": "Nothing here"}, "annotations": [{"result": []}]},
        {"id": 7, "data": {"text": "Not seen"}, "annotations": []},
    ]
    items, how = _items(tmp_path, tasks)
    assert items == [
        {"id": 5, "words": WORDS, "labels": TAGS},
        {"id": 6, "words": ["Nothing", "here"], "labels": ["O", "O"]},
    ]
    assert sorted(how.notes) == [
        "1 texts or annotations are left out: another annotator's, of a text that the first one annotated",
        "1 texts or annotations are left out: not annotated",
    ]


def test_own_tokens_are_kept_and_rejected_texts_are_left_out(tmp_path: Path) -> None:
    tokens = [{"text": "don't", "start": 0, "end": 5, "id": 0}, {"text": "go", "start": 6, "end": 8, "id": 1}]
    spans = [{"start": 6, "end": 8, "token_start": 1, "token_end": 1, "label": "V"}]
    rows = [
        {"text": "don't go", "tokens": tokens, "spans": spans, "answer": "accept"},
        {"text": "don't go", "tokens": tokens, "spans": [], "answer": "reject"},
    ]
    items, how = _items(tmp_path, rows)
    assert _tagged(items) == [(["don't", "go"], ["O", "B-V"])]
    assert how.notes == ["1 texts or annotations are left out: rejected or ignored by the annotator"]
    assert how.columns["words"] == "the tokens of the file"


def test_one_row_per_span_is_joined_by_id(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text,start,end,label\n4,Ada in Rome,0,3,PER\n4,Ada in Rome,7,11,LOC\n9,No one,,,\n")
    how = HowRead(str(path))
    assert items_of(path, ReadOptions(fields=TAGGING), how) == [
        {"id": "4", "words": ["Ada", "in", "Rome"], "labels": ["B-PER", "O", "B-LOC"]},
        {"id": "9", "words": ["No", "one"], "labels": ["O", "O"]},
    ]
    assert how.remarks == ["each row is a span; rows with the same id belong to one item"]


def test_one_row_per_span_is_joined_by_text_where_ids_count_the_spans(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text,start,end,label\nT1,Ada in Rome,0,3,PER\nT2,Ada in Rome,7,11,LOC\n")
    items = items_of(path, ReadOptions(fields=TAGGING), HowRead(str(path)))
    assert items == [{"id": 2, "words": ["Ada", "in", "Rome"], "labels": ["B-PER", "O", "B-LOC"]}]


def test_rows_of_one_id_with_two_texts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text,start,end,label\n4,Ada,0,3,PER\n4,Bo,0,2,PER\n")
    with pytest.raises(DataError, match=r"row 3: the text differs from that of row 2, which has the same id '4'"):
        items_of(path, ReadOptions(fields=TAGGING), HowRead(str(path)))


def test_a_span_that_cuts_a_word_labels_it_whole_and_is_counted(tmp_path: Path) -> None:
    items, how = _items(tmp_path, [{"text": "Parisian life", "spans": [[0, 5, "LOC"]]}])
    assert _tagged(items) == [(["Parisian", "life"], ["B-LOC", "O"])]
    assert how.notes == ["1 of 1 spans begin or end within a word: the whole word is labelled"]


def test_of_overlapping_spans_the_longest_stays_and_the_others_are_counted(tmp_path: Path) -> None:
    spans = [[0, 3, "CITY"], [0, 13, "ORG"], [0, 13, "ORG"], [9, 13, "X"]]
    items, how = _items(tmp_path, [{"text": "New York Post", "spans": spans}])
    assert _tagged(items) == [(["New", "York", "Post"], ["B-ORG", "I-ORG", "I-ORG"])]
    assert how.notes == ["2 of 3 spans share a word with a longer one and are left out"]


def test_white_space_at_the_ends_of_a_span_belongs_to_no_word(tmp_path: Path) -> None:
    items, how = _items(tmp_path, [{"text": "In Rome now", "spans": [[2, 8, "LOC"]]}])
    assert _tagged(items) == [(["In", "Rome", "now"], ["O", "B-LOC", "O"])]
    assert how.notes == []


def test_texts_without_spans_are_items_and_other_columns_stay(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "text": "Ada", "label": [[0, 3, "PER"]], "cluster": "c"},
        {"id": "b", "text": "No one", "label": []},
    ]
    items, _ = _items(tmp_path, rows)
    assert items == [
        {"id": "a", "cluster": "c", "words": ["Ada"], "labels": ["B-PER"]},
        {"id": "b", "words": ["No", "one"], "labels": ["O", "O"]},
    ]


def test_without_the_need_for_labels_only_the_words_are_made(tmp_path: Path) -> None:
    items, _ = _items(tmp_path, [{"text": TEXT, "label": TRIPLES}], ("words",))
    assert items == [{"words": WORDS, "id": 1}]


def test_a_task_that_wants_one_label_takes_a_list_of_one(tmp_path: Path) -> None:
    items, _ = _items(tmp_path, [{"text": "good", "label": ["pos"]}], ("text", "label"))
    assert items == [{"text": "good", "label": "pos", "id": 1}]


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ([[0, 3, "X"], [1, 2]], r"row 1: \[1, 2\] is no span; a span is \[start, end, \"LABEL\"\]"),
        ([[0, 30, "X"]], r"row 1: the span 0-30 lies outside the text, which has 8 characters"),
        ([[5, 5, "X"]], r"row 1: the span 5-5 lies outside"),
        ([[3, 4, "X"]], r"row 1: the span 3-4 holds only white space; remove it"),
        ([{"start": 0, "end": 3, "text": "Bob", "label": "X"}], r"is 'Ada' in the text, but the file says 'Bob'"),
        ([{"start": 0, "end": 3}], r"row 1: None is no label of a span"),
        ([{"start": "0", "end": "x", "label": "X"}], r"row 1: 'x' is no offset"),
        ([{"start": 0, "end": 3, "labels": ["X", "Y"]}], r"row 1: a span needs one label, got \['X', 'Y'\]"),
    ],
)
def test_a_span_that_cannot_be_understood_is_refused_with_its_row(tmp_path: Path, spans: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _items(tmp_path, [{"text": "Ada Bobs", "spans": spans}])


@pytest.mark.parametrize(
    "row", [{"text": "Ada"}, {"text": "Ada", "label": []}, {"text": "Ada", "labels": "27"}, {"text": "A", "labels": []}]
)
def test_texts_of_which_none_has_words_or_spans_are_refused_with_a_form_that_is_understood(
    tmp_path: Path, row: Any
) -> None:
    with pytest.raises(
        DataError, match=r"there is no column 'words'; .*; a text needs words, or spans, .*\[start, end"
    ):
        _items(tmp_path, [row])


@pytest.mark.parametrize(
    ("start", "unit"),
    [(11, r"offsets count bytes"), (6, r"offsets count UTF-16 units"), (5, r"offsets must count characters from 0")],
)
def test_offsets_of_another_unit_are_recognised_by_the_text_of_the_span(tmp_path: Path, start: int, unit: str) -> None:
    text = "ü🙂🙂 Rom am See"  # Rom begins at character 4, UTF-16 unit 6 and byte 11
    with pytest.raises(DataError, match=unit):
        _items(tmp_path, [{"text": text, "spans": [{"start": start, "end": start + 3, "text": "Rom", "label": "LOC"}]}])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 5.30 p.m.", ["It", "'", "s", "5", ".", "30", "p", ".", "m", "."]),
        ("cafe\u0301 हिन्दी", ["cafe\u0301", "हिन्दी"]),
        ("我去Paris。", ["我", "去", "Paris", "。"]),
        ("snake_case  \u00a0 x", ["snake_case", "x"]),
        ("a\u200bb\ufeff", ["a", "b"]),
        ("", []),
        ("🙂!", ["🙂", "!"]),
    ],
)
def test_words_are_runs_of_letters_digits_and_marks(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(text)] == words
