"""Sentences from tables: one word per row, lists in cells, or words with blanks between; never a guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainables.data.dataset import DataError, Item
from trainables.data.forms.cells import parsed_list
from trainables.data.how_read import Columns, HowRead, ReadOptions
from trainables.data.items import items_of


def _read(folder: Path, text: str, columns: Columns | None = None) -> tuple[list[Item], HowRead]:
    path = folder / "a.csv"
    path.write_bytes(text.encode())
    how = HowRead(str(path))
    return items_of(path, ReadOptions(fields=("words", "labels"), columns=columns or {}), how), how


def test_the_sentence_column_that_the_file_names_wins_over_an_id(tmp_path: Path) -> None:
    text = "id,sentence_idx,word,tag\n0,7,Paris,B-LOC\n1,7,is,O\n2,8,big,O\n"
    items, how = _read(tmp_path, text, {"sentence_id": "sentence_idx", "words": "word", "labels": "tag"})
    assert items == [
        {"id": "7", "words": ["Paris", "is"], "labels": ["B-LOC", "O"]},
        {"id": "8", "words": ["big"], "labels": ["O"]},
    ]
    assert how.changed


def test_of_both_columns_the_one_that_joins_rows_names_sentences(tmp_path: Path) -> None:
    assert [item["words"] for item in _read(tmp_path, "id,sentence_id,words,labels\n0,7,a,O\n1,7,b,O\n")[0]] == [
        ["a", "b"]
    ]
    assert [item["words"] for item in _read(tmp_path, "id,sentence_id,words,labels\n5,1,a,O\n5,2,b,O\n")[0]] == [
        ["a", "b"]
    ]


def test_a_sentence_named_only_in_its_first_row(tmp_path: Path) -> None:
    text = 'Sentence #,Word,Tag\nSentence: 1,Paris,B-LOC\n,",",O\n,is,O\nSentence: 2,big,O\n'
    items, how = _read(tmp_path, text, {"id": "Sentence #", "words": "Word", "labels": "Tag"})
    assert [item["words"] for item in items] == [["Paris", ",", "is"], ["big"]]
    assert "2 rows without a sentence id belong to the sentence above them" in how.remarks


def test_words_and_labels_in_one_text_each(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "id,words,labels\n0,Paris is big,B-LOC O O\n1,So,O\n")
    assert items[0] == {"id": "0", "words": ["Paris", "is", "big"], "labels": ["B-LOC", "O", "O"]}
    assert how.changed
    assert _read(tmp_path, "words,labels\nParis is,B-LOC O\n")[0][0]["words"] == ["Paris", "is"]


def test_a_word_with_blanks_in_a_row_of_its_own_stays_whole(tmp_path: Path) -> None:
    items, _ = _read(tmp_path, "sentence_id,words,labels\n1,New York,B-LOC\n1,is,O\n2,so big,O\n")
    assert [item["words"] for item in items] == [["New York", "is"], ["so big"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("words,labels\nParis is,B-LOC\n", r"row 2: words holds 2 words but labels holds 1; .*sentence_id"),
        ("word_id,words,labels\n1,Paris,B-LOC\n", r"row 2: words is 'Paris', neither a list nor a word"),
        ("sentence_idx,words,labels\n1,Paris,O\n", r"columns: \{sentence_id: 'sentence_idx'\}"),
        ("id,words,labels\n,Paris,O\n", r"row 2: id is empty, and no row above it names a sentence"),
        ('id,words,labels\n1,"[""a""]",[O\n', r"row 2: labels is not a list in brackets"),
        ('id,words,labels\n1,"[""a""]","[1,"\n', r"row 2: labels is not a list in brackets"),
    ],
)
def test_what_cannot_be_a_sentence_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _read(tmp_path, text)


def test_single_word_items_are_pointed_out(tmp_path: Path) -> None:
    _, how = _read(tmp_path, "id,sentence_idx,words,labels\n0,1,Paris,O\n1,1,is,O\n")
    assert how.notes == [
        "every item is a single word: 'id' differs from row to row (`data: {columns: {sentence_id: 'sentence_idx'}}`?)"
    ]


def test_lists_in_cells_are_read_as_pandas_wrote_them(tmp_path: Path) -> None:
    words = [["it's", 'so "big"', "a, b", "[1]"], ["x"]]
    for written in (words, [np.array(row) for row in words]):
        frame = pd.DataFrame({"words": written, "labels": [["O"] * len(row) for row in words]})
        assert [item["words"] for item in _read(tmp_path, frame.to_csv(index=False))[0]] == words


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        ("['a' 'b']", ["a", "b"]),
        ("['a'\n 'b' \"c's\"]", ["a", "b", "c's"]),
        ("[]", []),
        ("[1, 2]", [1, 2]),
        (" ['a',] ", ["a"]),
    ],
)
def test_every_form_of_a_list_gives_its_values(cell: str, value: list[object]) -> None:
    assert parsed_list(cell) == value


@pytest.mark.parametrize(
    "cell", ["['a' 'b' ... 'c']", "a", "[a, b]", "[", "['a' + 'b']", "[__import__('os')]", "[" * 9000 + "]" * 9000]
)
def test_what_is_no_list_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        parsed_list(cell)


def test_words_in_one_text_may_have_their_labels_in_a_list(tmp_path: Path) -> None:
    text = "n,words,labels\ns1,Paris calls,\"['B-LOC', 'O']\"\ns2,Rain again today,\"['O', 'O', 'O']\"\n"
    items, how = _read(tmp_path, text, {"id": "n"})
    assert items == [
        {"words": ["Paris", "calls"], "labels": ["B-LOC", "O"], "id": "s1"},
        {"words": ["Rain", "again", "today"], "labels": ["O", "O", "O"], "id": "s2"},
    ]
    assert how.changed


@pytest.mark.parametrize(
    ("row", "odd"),
    [("{n},Paris calls us,B-LOC O O", "9,a b c,O O"), ("{n},Paris calls,\"['O', 'O']\"", "9,a b c,\"['O', 'O']\"")],
)
def test_one_odd_row_does_not_turn_every_sentence_into_a_word(tmp_path: Path, row: str, odd: str) -> None:
    rows = "".join(row.format(n=number) + "\n" for number in range(4))
    with pytest.raises(DataError, match="row 6: words holds 3 words but labels holds 2; give lists, or one word"):
        _read(tmp_path, f"id,words,labels\n{rows}{odd}\n")


def test_one_cell_without_brackets_does_not_turn_every_list_into_a_word(tmp_path: Path) -> None:
    rows = "".join(f"{number},\"['Paris', 'calls']\",\"['B-LOC', 'O']\"\n" for number in range(3))
    with pytest.raises(DataError, match="row 5: words is not a list in brackets; give a list"):
        _read(tmp_path, f"id,words,labels\n{rows}3,Rain,\"['O']\"\n")


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("['Paris', 'is']", ["Paris", "is"]),
        ("[ 'say \"hi\"' , '' ]", ['say "hi"', ""]),
        ("['it\\'s', \"it's\"]", ["it's", "it's"]),
        ("['a\\n']", ["a\n"]),
        ("['a' 'b']", ["a", "b"]),
        ("['a', 1]", ["a", 1]),
    ],
)
def test_a_list_of_python_gives_the_texts_that_python_gives(cell: str, values: list[object]) -> None:
    assert parsed_list(cell) == values
