"""Questions with answers in every form that SQuAD-like files have: the answers and where they begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from trainables.data.dataset import DataError, Item
from trainables.data.how_read import HowRead, ReadOptions
from trainables.data.items import items_of

ASKING = ("question", "context", "answers")
CONTEXT = "Ada met Charles in London, and Charles wrote."
ROW = {"question": "Where?", "context": CONTEXT}
LONDON = {"text": ["London"], "answer_start": [19]}
NONE: dict[str, list[Any]] = {"text": [], "answer_start": []}


def _items(path: Path, fields: tuple[str, ...] = ASKING, **options: Any) -> tuple[list[Item], HowRead]:
    how = HowRead(str(path))
    return items_of(path, ReadOptions(fields=fields, **options), how), how


def _written(folder: Path, rows: Any) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_the_official_file_of_squad_2(tmp_path: Path) -> None:
    asked = [
        {"id": "q1", "question": "Where?", "answers": [{"text": "London", "answer_start": 19}], "is_impossible": False},
        {
            "id": "q2",
            "question": "When?",
            "answers": [],
            "plausible_answers": [{"text": "Ada", "answer_start": 0}],
            "is_impossible": True,
        },
    ]
    article = {"title": "Ada", "paragraphs": [{"context": CONTEXT, "qas": asked}]}
    other = {
        "title": "Bo",
        "paragraphs": [{"context": "Bo.", "qas": [{"id": "q3", "question": "Who?", "answers": []}]}],
    }
    items, how = _items(_written(tmp_path, {"version": "v2.0", "data": [article, other]}))
    shared = {"cluster": "Ada", "title": "Ada", "paragraph": "Ada/0", "context": CONTEXT}
    assert items == [
        {"id": "q1", **shared, "question": "Where?", "answers": LONDON},
        {"id": "q2", **shared, "question": "When?", "answers": NONE, "is_impossible": True},
        {
            "id": "q3",
            "cluster": "Bo",
            "title": "Bo",
            "paragraph": "Bo/0",
            "context": "Bo.",
            "question": "Who?",
            "answers": NONE,
        },
    ]
    assert how.columns["cluster"] == "the article's title"
    assert "2 articles or paragraphs in SQuAD's form" in how.remarks


def test_the_official_file_of_squad_1(tmp_path: Path) -> None:
    asked = {
        "id": "q1",
        "question": "Who?",
        "answers": [{"text": "Charles", "answer_start": start} for start in (8, 31)],
    }
    article = {"title": "Ada", "paragraphs": [{"context": CONTEXT, "qas": [asked]}]}
    (item,) = _items(_written(tmp_path, {"version": "1.1", "data": [article]}))[0]
    assert item["answers"] == {"text": ["Charles", "Charles"], "answer_start": [8, 31]}


@pytest.mark.parametrize(
    "answers",
    [
        {"answers": LONDON},
        {"answers": [{"text": "London", "answer_start": 19}]},
        {"answers": {"text": "London", "answer_start": 19}},
        {"answers": json.dumps(LONDON)},
        {"answers": str(LONDON)},
        {"answers": "{'text': array(['London'], dtype=object), 'answer_start': array([19], dtype=int32)}"},
        {"answer": "London", "answer_start": 19},
        {"answer_text": "London", "answer_start": "19"},
        {"answers": ["London"], "answer_start": [19]},
        {"answer": "London", "answer_start": 19.0},
    ],
)
def test_each_form_of_one_answer(tmp_path: Path, answers: dict[str, Any]) -> None:
    (item,) = _items(_written(tmp_path, [{**ROW, **answers}]))[0]
    assert item == {**ROW, "answers": LONDON, "id": 1}


@pytest.mark.parametrize("answers", [None, [], {}, "", "[]", NONE, json.dumps(NONE)])
def test_each_form_of_no_answer(tmp_path: Path, answers: Any) -> None:
    rows = [{**ROW, "answers": answers}, {**ROW, "answers": LONDON}]
    assert [item["answers"] for item in _items(_written(tmp_path, rows))[0]] == [NONE, LONDON]


def test_flat_rows_of_datasets_and_what_pandas_makes_of_them(tmp_path: Path) -> None:
    rows = {
        "id": ["a", "b"],
        "title": ["Ada", "Bo"],
        "context": [CONTEXT, CONTEXT],
        "question": ["Where?", "When?"],
        "answers": [LONDON, NONE],
    }
    frame = datasets.Dataset.from_dict(rows)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_pandas().to_csv(tmp_path / "a.csv", index=False)
    expected = [
        {"id": "a", "title": "Ada", "context": CONTEXT, "question": "Where?", "answers": LONDON},
        {"id": "b", "title": "Bo", "context": CONTEXT, "question": "When?", "answers": NONE},
    ]
    for name in ("a.parquet", "a.csv"):
        items, how = _items(tmp_path / name)
        assert items == expected
        assert how.changed == (name == "a.csv")  # whose cells hold lists as text


def test_a_file_that_is_as_before_keeps_its_fingerprint(tmp_path: Path) -> None:
    assert not _items(_written(tmp_path, [{**ROW, "id": "x", "answers": LONDON}]))[1].changed


def test_the_paragraphs_of_the_only_article_are_the_clusters(tmp_path: Path) -> None:
    paragraphs: list[dict[str, Any]] = [
        {"context": text, "qas": [{"id": text, "question": "q", "answers": []}]} for text in ("a", "b")
    ]
    items, how = _items(_written(tmp_path, {"data": [{"title": "Ada", "paragraphs": paragraphs}]}))
    assert [(item["cluster"], item["title"]) for item in items] == [("Ada/0", "Ada"), ("Ada/1", "Ada")]
    assert how.columns["cluster"] == "the paragraph of the only article"


def test_paragraphs_on_their_own_have_no_cluster(tmp_path: Path) -> None:
    rows = [{"context": CONTEXT, "qas": [{"id": "x", "question": "Where?", "answers": ["London"]}]}]
    assert _items(_written(tmp_path, rows))[0] == [{**ROW, "id": "x", "answers": LONDON}]


def test_answers_of_a_question_that_is_marked_impossible_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{**ROW, "answers": LONDON, "is_impossible": mark} for mark in (True, False, "True", "False")]
    items, how = _items(_written(tmp_path, rows))
    assert [item["answers"] for item in items] == [NONE, LONDON, NONE, LONDON]
    assert how.notes == ["2 questions are marked impossible: their answers are left out"]


def test_an_answer_without_a_start_is_located_where_it_occurs_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pd.DataFrame([{**ROW, "answer": "London"}, {**ROW, "answer": ""}]).to_csv(path, index=False)
    items, how = _items(path)
    assert [item["answers"] for item in items] == [LONDON, NONE]
    assert how.notes == ["1 answers have no start: each text occurs once in its context and is there"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"answer": "Charles"}, r"row 1: the answer 'Charles' has no start, and occurs more than once in the context"),
        ({"answer": "Paris"}, r"row 1: the answer 'Paris' has no start, and does not occur in the context"),
        ({"answers": {"text": ["London", "Ada"], "answer_start": [19]}}, r"row 1: 2 answers but 1 starts"),
        ({"answers": 7}, r"row 1: answers must be text, got 7"),
        ({"answers": "{'text': ["}, r"row 1: .*does not occur"),
        ({"answers": "{'text': [}"}, r"row 1: answers is neither JSON nor a Python value; give"),
        ({"answers": "[" * 3000 + "]" * 3000}, r"row 1: answers is n"),
    ],
)
def test_answers_that_are_unclear_are_refused_with_their_row(
    tmp_path: Path, answers: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        _items(_written(tmp_path, [{**ROW, **answers}]))


def test_an_article_in_another_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1: paragraph Ada/0, question 'q': not in SQuAD's form: .*question"):
        _items(_written(tmp_path, {"data": [{"title": "Ada", "paragraphs": [{"context": "c", "qas": [{"id": "q"}]}]}]}))


def test_questions_can_be_read_without_answers(tmp_path: Path) -> None:
    items, _ = _items(_written(tmp_path, [ROW]), ("question", "context"))
    assert items == [{**ROW, "id": 1}]
    with pytest.raises(DataError, match=r"there is no column 'answers'"):
        _items(_written(tmp_path, [ROW]))


@pytest.mark.parametrize("answers", [{"value": "London", "aliases": []}, [{"value": "London"}]])
def test_answers_in_an_unknown_form_are_not_read_as_no_answer(tmp_path: Path, answers: Any) -> None:
    with pytest.raises(DataError, match=r"row 1: answers hold 'value'.* but no text; give"):
        _items(_written(tmp_path, [{**ROW, "answers": answers}]))


def test_a_start_that_pandas_wrote_as_a_float_is_a_whole_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [{**ROW, "answer_text": "London", "answer_start": 19}, {**ROW, "answer_text": None, "answer_start": None}]
    pd.DataFrame(rows).to_csv(path, index=False)
    assert "19.0" in path.read_text()
    items, _ = _items(path)
    assert [item["answers"] for item in items] == [LONDON, NONE]
