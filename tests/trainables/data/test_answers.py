"""Answers are the words of the context, whatever white space the data put around or between them."""

from __future__ import annotations

from typing import Any

import pytest

from trainables.data.forms.answers import Answers, normalized, span_of

CONTEXT = "He was born in Berlin ,\n in 1990. "


@pytest.mark.parametrize(
    ("text", "start", "span"),
    [
        ("Berlin", 15, (15, 21)),
        (" Berlin ", 14, (15, 21)),
        (" Berlin ", 15, (15, 21)),
        ("Berlin", 14, (15, 21)),
        ("\tBerlin\n", 14, (15, 21)),
        ("1990. ", 28, (28, 33)),
        ("Berlin , in 1990.", 15, (15, 33)),
        ("Berlin\u00a0,\nin", 15, (15, 27)),
        ("He", 0, (0, 2)),
        ("Berlin", 16, None),
        ("Berlin", 13, None),
        ("berlin", 15, None),
        ("Berlin,", 15, None),
        (" ", 14, None),
        ("Berlin", -1, None),
        ("Berlin", 99, None),
    ],
)
def test_an_answer_is_where_only_white_space_differs(text: str, start: int, span: tuple[int, int] | None) -> None:
    assert span_of(CONTEXT, text, start) == span


def test_a_repeated_character_does_not_shift_the_answer() -> None:
    assert span_of("a aa", " aa", 1) == (2, 4)
    assert span_of("aaa", " aa", 0) == (0, 2)


def _question(number: int, texts: list[str], starts: list[int]) -> dict[str, Any]:
    return {"id": f"q{number}", "context": CONTEXT, "answers": {"text": texts, "answer_start": starts}}


def test_answers_are_written_as_the_context_has_them_and_counted() -> None:
    items = [
        _question(1, ["Berlin"], [15]),
        _question(2, [" Berlin ", "in 1990."], [14, 25]),
        _question(3, ["Berlin , in"], [15]),
        _question(4, [], []),
        _question(5, ["Bonn"], [15]),
    ]
    answers = normalized(items)
    assert [item["answers"] for item in answers.items] == [
        {"text": ["Berlin"], "answer_start": [15]},
        {"text": ["Berlin", "in 1990."], "answer_start": [15, 25]},
        {"text": ["Berlin ,\n in"], "answer_start": [15]},
        {"text": [], "answer_start": []},
        {"text": ["Bonn"], "answer_start": [15]},
    ]
    assert answers.changed
    assert answers.notes == (
        "2 questions have an answer with other white space than the context (the first: 'q2'): read as the context has "
        "it, without any around it",
    )
    assert items[1]["answers"]["text"] == [" Berlin ", "in 1990."]


@pytest.mark.parametrize(
    "item",
    [
        {"text": "a"},
        {"context": "a", "answers": None},
        {"context": "a", "answers": {"text": "a", "answer_start": 0}},
        {"context": "a", "answers": {"text": ["a", "b"], "answer_start": [0]}},
        {"context": "a", "answers": {"text": [3], "answer_start": ["x"]}},
        {"context": None, "answers": {"text": ["a"], "answer_start": [0]}},
        {"context": " a", "answers": {"text": ["a"], "answer_start": [True]}},
    ],
)
def test_what_is_no_answer_is_left_for_the_task_to_refuse(item: dict[str, Any]) -> None:
    items = [item]
    assert normalized(items) == Answers(items)
