"""Small questions on paragraphs, with and without an answer, that a tiny model can learn."""

from __future__ import annotations

from typing import Any

from tests.tiny import SENTENCES

CASES = (
    ("What shall the power bus provide?", "a regulated voltage of 28 V"),
    ("What shall carry telemetry packets?", "The data bus"),
    ("Between what shall the cell temperature be?", "0 and 20 degrees"),
    ("What shall the tank withstand?", "the launch loads"),
)


def tiny_questions(count: int = 12) -> list[dict[str, Any]]:
    """Every third question has no answer in its context; three questions share a context of four sentences."""
    return [_question(number) for number in range(count)]


def _question(number: int) -> dict[str, Any]:
    paragraph = number // 3
    question, answer = CASES[number % len(CASES)]
    shift = paragraph % 4
    context = "  ".join((*SENTENCES[shift:4], *SENTENCES[:shift])) + "\n"
    found = {"text": [answer], "answer_start": [context.index(answer)]}
    none: dict[str, list[Any]] = {"text": [], "answer_start": []}
    return {
        "id": f"q{number}",
        "cluster": f"page/{paragraph}",
        "context": context,
        "question": question if number % 3 else "How much does the antenna weigh?",
        "answers": found if number % 3 else none,
    }
