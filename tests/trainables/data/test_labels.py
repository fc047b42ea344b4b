"""Cells of label columns, as other programs write them, become classes and lists of labels; expected values by hand."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainables.data.forms.labels import class_of, is_one, label_list, label_notes, separator_notes, separator_of


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("neg", "neg"),
        (" neg", " neg"),
        ("1", "1"),
        ("01", "01"),
        ("NA", "NA"),
        ("True", "True"),
        (3, 3),
        (-1, -1),
        (True, "true"),
        (np.bool_(False), "false"),
        (1.0, 1),
        (-1.0, -1),
        (0.5, "0.5"),
        (np.int8(2), 2),
        (np.float32(0.1), "0.1"),
        (Decimal("2.00"), 2),
        (Decimal("0.50"), "0.50"),
        (["neg"], "neg"),
        ([True], "true"),
        (np.array([1.0]), 1),
        ([], None),
        (None, None),
        (float("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (["a", "b"], ["a", "b"]),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_a_cell_becomes_one_class(cell: Any, label: Any) -> None:
    assert class_of(cell) == label
    assert type(class_of(cell)) is type(label)


@pytest.mark.parametrize(
    "cell", [1, True, 1.0, "1", "1.0", " 1 ", "true", "TRUE", "yes", "Y", "t", np.int64(1), Decimal(1)]
)
def test_every_writing_of_one_is_one(cell: Any) -> None:
    assert is_one(cell)


@pytest.mark.parametrize("cell", [0, False, 0.0, "0", "0.0", "false", "No", "n", "F", np.float32(0), np.False_])
def test_every_writing_of_zero_is_zero(cell: Any) -> None:
    assert not is_one(cell)


@pytest.mark.parametrize("cell", [2, -1, 0.5, "", "nan", "x", None, "joy", float("nan")])
def test_anything_else_in_a_column_of_0_and_1_is_refused(cell: Any) -> None:
    with pytest.raises(ValueError, match="must be 0 or 1"):
        is_one(cell)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (["joy", "anger"], ["joy", "anger"]),
        (("joy",), ["joy"]),
        (np.array(["joy", "anger"]), ["joy", "anger"]),
        ([1, 2], ["1", "2"]),
        ([], []),
        ('["joy", "very angry"]', ["joy", "very angry"]),
        ("['joy', 'anger']", ["joy", "anger"]),
        ("['joy' 'anger'\n 'fear']", ["joy", "anger", "fear"]),
        ("""['it\\'s', "b, c"]""", ["it's", "b, c"]),
        ("('joy', 'anger')", ["joy", "anger"]),
        ("{'joy'}", ["joy"]),
        ("['joy',]", ["joy"]),
        ("[joy, very angry]", ["joy", "very angry"]),
        ("[]", []),
        ("", []),
        ("  ", []),
        ("joy", ["joy"]),
        ("joy|anger", ["joy", "anger"]),
        ("joy | Food, drinks |", ["joy", "Food, drinks"]),
        ("(none)", ["(none)"]),
        ("[3 5]", ["3", "5"]),
        (3, ["3"]),
        (3.0, ["3"]),
        (None, None),
        (float("nan"), None),
        ("nan", None),
    ],
)
def test_a_cell_becomes_a_list_of_labels(cell: Any, labels: list[str] | None) -> None:
    assert label_list(cell, separator="|") == labels


def test_what_pandas_writes_to_csv_reads_back(tmp_path: Any) -> None:
    lists = [["joy", "it's"], [], ["a, b", 'say "x"']]
    frame = pd.DataFrame({"python": lists, "numpy": [np.array(names, dtype=object) for names in lists]})
    frame.to_csv(tmp_path / "labels.csv")
    cells = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False)
    for column in ("python", "numpy"):
        assert [label_list(cell) for cell in cells[column]] == lists


@pytest.mark.parametrize("cell", [[0, 1, 0], [0.0, 1.0, 0.0], "[0, 1, 0]", "[0. 1. 0.]", "0 1 0", [False, True, False]])
def test_a_vector_of_0_and_1_marks_its_named_labels(cell: Any) -> None:
    assert label_list(cell, ["joy", "anger", "fear"]) == ["anger"]


@pytest.mark.parametrize(
    ("cell", "names", "reason"),
    [
        ([0, 1, 0], None, "a vector of 0 and 1 needs the names of its 3 labels"),
        ([0, 1], ["a", "b", "c"], "needs 3 values of 0 or 1, one for each label, got 2"),
        ([0, 2, 0], ["a", "b", "c"], "must be 0 or 1 .*, got 2"),
        (["a", None], None, "text or a whole number, got None"),
        ("[['a'], ['b']]", None, r"text or a whole number, got \['a'\]"),
        ("[a", None, "a list of labels has no closing bracket"),
        ("['a', 'b'", None, "a list of labels has no closing bracket"),
        ("['a' 'b', 'c']", None, "a list of labels is"),
        ("['a' + 'b']", None, "a list of labels is"),
        ("[__import__('os').getcwd()]", None, "a list of labels is"),
        ("['a', ..., 'z']", None, "text or a whole number, got Ellipsis"),
        ("[0. 1. 0.]", None, "a vector of 0 and 1 needs the names of its 3 labels"),
        ("[" * 50_000 + "]" * 50_000, None, "a list of labels is"),
        ("['" + "a" * 2_000_000 + "']", None, "a list of labels is longer"),
        ({"a": 1}, None, "text or a whole number"),
    ],
)
def test_a_cell_that_is_no_list_of_labels_is_refused(cell: Any, names: list[str] | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        label_list(cell, names)


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["joy|anger", "Food, drinks", ""], "|"),
        (["joy;anger", "Food, drinks"], ";"),
        (["joy,anger", "joy", None], ","),
        (["['joy', 'anger']", "joy"], None),
        (["joy", "anger", 3], None),
    ],
)
def test_the_separator_is_decided_for_the_column(cells: list[Any], separator: str | None) -> None:
    assert separator_of(cells) == separator


def test_names_that_never_occur_apart_may_be_one_label_with_a_comma() -> None:
    assert separator_notes(["a,b", "b", "a"], ",") == ("labels are separated by ','",)
    notes = separator_notes(["Food, drinks", "Sport", "Food, drinks,Sport"], ",")
    assert notes[1].startswith("'Food' and 'drinks' occur only together; if 'Food, drinks' is one label")
    assert separator_notes(["joy"], None) == ()


def test_labels_that_look_alike_are_counted_and_not_merged() -> None:
    labels = ["neg", " neg", "Neg", "neg", "pos", "caf\u00e9", "cafe\u0301", "1", "1.0", "a\u200bb", "ab"]
    items = [{"id": number, "label": label} for number, label in enumerate(labels)]
    assert label_notes(items, ("label",)) == (
        "labels that look alike count as different: 'neg' (2) / ' neg' (1) / 'Neg' (1), "
        "'caf\u00e9' (1) / 'cafe\u0301' (1), '1' (1) / '1.0' (1), and 1 more; if they mean the same, correct the data",
    )
    assert [item["label"] for item in items] == labels


def test_lists_of_labels_are_looked_at_too() -> None:
    items = [{"labels": ["joy", "Joy"]}, {"labels": []}, {"labels": None}]
    assert "'joy' (1) / 'Joy' (1)" in label_notes(items, ("labels",))[0]


@pytest.mark.parametrize("label", ["?", "N/A", "nan", "NULL", "None"])
def test_a_label_that_looks_like_a_missing_one_is_said(label: str) -> None:
    items = [{"label": "pos"}, {"label": label}, {"label": label}]
    assert label_notes(items, ("label",)) == (
        f"2 items have the label {label!r}, a class like any other; if it means a missing label, remove them",
    )


def test_sound_labels_get_no_note() -> None:
    assert label_notes([{"label": "neg"}, {"label": 1}, {"label": "none"}, {}], ("label",)) == ()
    assert label_notes([{"label": 1}, {"label": "1"}], ("label",)) == ()
    assert label_notes([{"words": ["a"], "labels": ["?"]}], ("labels",)) == ()


def test_ten_thousand_items_take_no_time() -> None:
    items = [{"id": number, "label": ("neg", "pos", "Neg")[number % 3]} for number in range(10_000)]
    fastest = min(_seconds(items) for _ in range(5))
    assert fastest < 0.02


def _seconds(items: list[dict[str, Any]]) -> float:
    start = time.perf_counter()
    label_notes(items, ("label",))
    return time.perf_counter() - start
