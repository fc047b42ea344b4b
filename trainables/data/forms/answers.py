"""Finds the words of an answer in its context where only white space differs from what the data says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.dataset import Item

Span = tuple[int, int]  # first character and the one after the last


@dataclass(frozen=True)
class Answers:
    """Questions whose answers are as the context writes them, and notes for plan and report.

    `changed`: the text or the offset of some answer is another now.
    """

    items: list[Item]
    notes: tuple[str, ...] = ()
    changed: bool = False


def span_of(context: str, text: str, start: int) -> Span | None:
    """Return where the words of `text` stand in `context`, without white space around; None if not at `start`.

    White space before the first word may be in the text, in the context from `start` on, or in both; between words any
    white space equals any other.
    """
    words = text.split()
    if not words or not 0 <= start < len(context):
        return None
    stripped = text.strip()
    if context.startswith(text, start):
        begin = start + text.index(stripped)
        return begin, begin + len(stripped)
    match = re.compile(r"\s*" + r"\s+".join(map(re.escape, words))).match(context, start)
    return None if match is None else (match.end() - len(match[0].lstrip()), match.end())


def normalized(items: list[Item]) -> Answers:
    """Return the items with answers as the context writes them, without white space around.

    An answer that is not where the data says, or that is no text, is left as it is: the task refuses it. Items without
    `answers` are returned as they are.
    """
    changed = {number: answers for number, item in enumerate(items) if (answers := _normalized(item)) is not None}
    if not changed:
        return Answers(items)
    ready = [{**item, "answers": changed[number]} if number in changed else item for number, item in enumerate(items)]
    count, first = len(changed), items[min(changed)].get("id")
    questions = "question has" if count == 1 else "questions have"
    note = f"{count:,} {questions} an answer with other white space than the context (the first: {first!r})"
    return Answers(ready, (f"{note}: read as the context has it, without any around it",), True)


def _normalized(item: Item) -> dict[str, Any] | None:
    """Return an item's answers if one of them changes, else None."""
    answers, context = item.get("answers"), item.get("context")
    if not isinstance(answers, Mapping) or not isinstance(context, str):
        return None
    given = _pairs(answers.get("text"), answers.get("answer_start"))
    pairs = [_words_at(context, text, start) for text, start in given]
    if pairs == given:
        return None
    return {**answers, "text": [text for text, _ in pairs], "answer_start": [start for _, start in pairs]}


def _pairs(texts: Any, starts: Any) -> list[tuple[Any, Any]]:
    lists = all(isinstance(values, Sequence) and not isinstance(values, str) for values in (texts, starts))
    return list(zip(texts, starts, strict=True)) if lists and len(texts) == len(starts) else []


def _words_at(context: str, text: Any, start: Any) -> tuple[Any, Any]:
    if not isinstance(text, str) or not isinstance(start, int) or isinstance(start, bool):
        return text, start
    span = span_of(context, text, start)
    return (text, start) if span is None else (context[span[0] : span[1]], span[0])
