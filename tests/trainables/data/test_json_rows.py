"""JSON in the forms that people have: lists, lines, lists under a key, parts, and what pandas and spaCy write."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trainables.data.dataset import DataError
from trainables.data.how_read import HIDDEN_PART, HowRead, ReadOptions
from trainables.data.items import items_of
from trainables.data.readers import read_rows

CLASSES = ("text", "label")
ROWS = [{"text": "good", "label": "pos"}, {"text": "bad", "label": "neg"}]


def _rows(folder: Path, name: str, content: str, **options: Any) -> tuple[list[dict[str, Any]], HowRead]:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    how = HowRead(str(path))
    return [row for _, row in read_rows(path, options=ReadOptions(fields=CLASSES, **options), how=how)], how


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n".join(map(json.dumps, ROWS)) + "\n",
        "[" + ",\n".join(map(json.dumps, ROWS)) + "]\n",
    ],
)
def test_a_list_and_lines_are_read_whatever_the_name_says(tmp_path: Path, name: str, content: str) -> None:
    assert _rows(tmp_path, name, content)[0] == ROWS


def test_lines_named_json_are_numbered_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"text": "a", "label": "x"}\n\n{"text": "b", "label": "y"}\n')
    assert [number for number, _ in read_rows(path)] == [1, 3]


@pytest.mark.parametrize(
    "document",
    [
        {"version": "1", "data": ROWS},
        {"items": ROWS, "labels": ["pos", "neg"], "count": 2},
        {"text": {"0": "good", "1": "bad"}, "label": {"0": "pos", "1": "neg"}},
        {"0": ROWS[0], "1": ROWS[1]},
        {"columns": ["text", "label"], "index": [0, 1], "data": [["good", "pos"], ["bad", "neg"]]},
        {"text": ["good", "bad"], "label": ["pos", "neg"]},
    ],
)
def test_one_object_that_holds_the_rows(tmp_path: Path, document: dict[str, Any]) -> None:
    for indent in (None, 1):
        rows, how = _rows(tmp_path, "a.json", json.dumps(document, indent=indent))
        assert rows == ROWS
        assert how.remarks


@pytest.mark.parametrize("orient", ["columns", "split", "records", "index", "table"])
def test_each_form_in_which_pandas_writes_a_table_is_read_as_pandas_reads_it(tmp_path: Path, orient: Any) -> None:
    frame = pd.DataFrame({"text": ["good", 'a "b"', "ü\n"], "label": ["x", "y", "x"]})
    content = frame.to_json(orient=orient)
    again = pd.read_json(io.StringIO(content), orient=orient)
    rows, _ = _rows(tmp_path, "a.json", content)
    pairs = [(row["text"], row["label"]) for row in rows]
    assert pairs == list(again[["text", "label"]].itertuples(index=False, name=None))
    assert pairs == [("good", "x"), ('a "b"', "y"), ("ü\n", "x")]


def test_one_object_with_the_fields_of_the_task_is_one_row(tmp_path: Path) -> None:
    assert _rows(tmp_path, "a.json", json.dumps(ROWS[0]))[0] == ROWS[:1]
    renamed = {"body": "a", "label": "x"}
    assert _rows(tmp_path, "a.json", json.dumps(renamed), columns={"text": "body"})[0] == [renamed]


def test_rows_under_ids_keep_them(tmp_path: Path) -> None:
    rows, _ = _rows(tmp_path, "a.json", json.dumps({"q7": ROWS[0], "q9": ROWS[1]}))
    assert rows == [{"id": "q7", **ROWS[0]}, {"id": "q9", **ROWS[1]}]


def test_lists_under_the_names_of_parts_give_each_row_its_part(tmp_path: Path) -> None:
    rows, how = _rows(tmp_path, "a.json", json.dumps({"train": ROWS, "dev": ROWS[:1], "test": ROWS[1:]}))
    assert [row[HIDDEN_PART] for row in rows] == ["train", "train", "dev", "test"]
    assert [row["text"] for row in rows] == ["good", "bad", "good", "bad"]
    assert how.part == HIDDEN_PART


def test_texts_with_annotations_as_spacy_keeps_them(tmp_path: Path) -> None:
    rows, _ = _rows(tmp_path, "a.json", '[["Ada sings", {"entities": [[0, 3, "PER"]]}]]')
    assert rows == [{"text": "Ada sings", "entities": [[0, 3, "PER"]]}]
    rows, _ = _rows(tmp_path, "a.jsonl", '["Ada", {"entities": []}]\n["Bo", {"entities": []}]\n')
    assert rows == [{"text": "Ada", "entities": []}, {"text": "Bo", "entities": []}]


def test_a_number_of_any_size_is_kept(tmp_path: Path) -> None:
    rows, _ = _rows(tmp_path, "a.jsonl", '{"id": 123456789012345678901234567890, "text": "a", "label": "x"}\n')
    assert rows[0]["id"] == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", '[{"text": "a"}, {"text": "b"', r"row 2: broken JSON: .*; the file is cut short"),
        ("a.json", '[{"text": "a"}', r"row 1: expected ',' or '\]' .*; the file is cut short"),
        (
            "a.json",
            '{"text": "a", "class": "x"}',
            r"must hold one list of objects, but this is one object with the keys",
        ),
        ("a.json", '[["a", "x"]]', r"row 1: expected a JSON object, got list; give objects with a name for each value"),
        ("a.json", '"text"', r"must hold one list of objects, got str"),
        ("a.json", '{"text": "a"} ["b"]', r"row 1: something follows the end of the first value"),
        ("a.json", '{"a": [{"x": 1}], "b": [{"x": 2}]}', r"holds several lists \(a, b\), and it is unclear"),
        ("a.json", '{"a": {"b": "c"}, "d": {"e": "f"}}', r"unclear whether its keys are columns or rows"),
        ("a.jsonl", '{"text": "a", "label": "x", "label": "y"}', r"row 1: .*the key 'label' occurs twice"),
        ("a.jsonl", '{"text": NaN}', r"row 1: .*NaN is not a JSON number; write null"),
        (
            "a.jsonl",
            '{"text": "a"} {"text": "b"}',
            r"row 1: something follows the object .*; write one object per line",
        ),
        ("a.jsonl", '{"text": "a",\n{"text": "b"}\n', r"row 1: broken JSON"),
        ("a.jsonl", '{"id": ' + "9" * 5000 + "}", r"row 1: broken JSON: .*digits"),
        ("a.json", '{"a": ' * 100_000, r"row 1: (JSON is nested too deeply|broken JSON)"),
    ],
)
def test_each_fault_has_a_message_of_its_own(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _rows(tmp_path, name, content)


def test_items_of_a_wrapped_list_are_those_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": ROWS}))
    items = items_of(path, ReadOptions(fields=CLASSES), HowRead(str(path)))
    assert items == [{"text": "good", "label": "pos", "id": 1}, {"text": "bad", "label": "neg", "id": 2}]


def test_texts_that_an_annotator_rejected_are_no_examples_of_their_label(tmp_path: Path) -> None:
    decided = [
        {"text": f"t{number}", "label": "pos", "answer": answer} for number, answer in enumerate(("accept", "reject"))
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, decided)), encoding="utf-8")
    how = HowRead(str(path))
    items = items_of(path, ReadOptions(fields=CLASSES), how)
    assert items == [{"text": "t0", "label": "pos", "answer": "accept", "id": 1}]
    assert how.changed
    assert how.notes == ["1 text is left out: rejected or ignored by the annotator (answer)"]


def test_a_column_answer_with_other_values_leaves_nothing_out(tmp_path: Path) -> None:
    rows = [{"text": "t", "label": "pos", "answer": "reject"}, {"text": "u", "label": "neg", "answer": "maybe"}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert len(items_of(path, ReadOptions(fields=CLASSES), HowRead(str(path)))) == 2


@pytest.mark.parametrize(
    ("fields", "row", "field"),
    [
        (CLASSES, {"text": "cut \ud83d", "label": "x"}, "text"),
        (CLASSES, {"text": "whole \U0001f600", "label": "x\ude00"}, "label"),
        (("words", "labels"), {"words": ["a", "\ud83d"], "labels": ["O", "O"]}, "words"),
    ],
)
def test_half_a_character_is_refused_with_its_row(
    tmp_path: Path, fields: tuple[str, ...], row: dict[str, Any], field: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(DataError, match=rf"row 1: {field} holds half a character \(.ud"):
        items_of(path, ReadOptions(fields=fields), HowRead(str(path)))


def test_half_a_character_in_a_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "ok \U0001f600", "label": "x", "raw": "\ud83d"}]), encoding="utf-8")
    assert items_of(path, ReadOptions(fields=CLASSES), HowRead(str(path)))[0]["text"] == "ok \U0001f600"
