"""What a question brings along: its context, its gold answers and what it shares with others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from trainables.data.dataset import DataError, Item

NO_ANSWERS: dict[str, list[Any]] = {"text": [], "answer_start": []}


def require_sound(items: Sequence[Item]) -> None:
    """Raise DataError naming the first question that cannot be read, or where there is none."""
    if not items:
        raise DataError("there are no questions")
    for number, item in enumerate(items, start=1):
        reason = _fault(item)
        if reason:
            raise DataError(f"item {number} (question {item.get('id')!r}): {reason}")


def _fault(item: Item) -> str | None:
    for name in ("question", "context"):
        if not isinstance(item.get(name), str) or not item[name].strip():
            return f"its {name} is empty or not text; map a column to it with data.columns"
    answers = item.get("answers")
    if not isinstance(answers, Mapping) or {"text", "answer_start"} - set(answers):
        return "it has no answers: lists `text` and `answer_start`, both empty where the context holds no answer"
    if len(answers["text"]) != len(answers["answer_start"]):
        return f"{len(answers['text'])} answers but {len(answers['answer_start'])} offsets"
    reasons = (
        _answer_fault(item["context"], *pair) for pair in zip(answers["text"], answers["answer_start"], strict=True)
    )
    return next(filter(None, reasons), None)


def _answer_fault(context: str, text: Any, start: Any) -> str | None:
    if not isinstance(text, str) or not text.strip():
        return f"an answer must be text, got {text!r}"
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        return f"an offset must be a whole number of characters, got {start!r}"
    there = context[start : start + len(text)]
    return None if there == text else f"its answer {text!r} is not at character {start} of the context, {there!r} is"


def first_answer(item: Item) -> tuple[int, int] | None:
    """First character of the first gold answer and the one after its last; None where there is no answer."""
    answers = item["answers"]
    if not answers["text"]:
        return None
    start = int(answers["answer_start"][0])
    return start, start + len(answers["text"][0])


def cluster(item: Item) -> str:
    """What a question shares with others: as the data says, else its context."""
    given = item.get("cluster")
    return hashlib.sha256(item["context"].encode()).hexdigest()[:12] if given is None else str(given)


def gold(item: Item) -> str:
    """Distinct gold answers, one a line (their own line breaks count as any white space does); empty for none."""
    return "\n".join(dict.fromkeys(" ".join(text.split()) for text in item["answers"]["text"]))
