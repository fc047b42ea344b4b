"""Brings questions and their answers into one form: lists of texts and of where they begin in the context.

Understood are the files of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018) and rows with a question each, whose answers
are a dict of lists, a list of dicts, texts, one text with its start in another column, or any of these in a cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item
from trainables.data.forms.cells import parsed
from trainables.data.how_read import HIDDEN_PART, HowRead, ReadOptions, Row

ANSWERS = "answers"
_TEXT_COLUMNS = ("answer", "answer_text", "answers_text")
_START_COLUMNS = ("answer_start", "answer_starts", "start", "start_position")
_TEXT_KEYS, _START_KEYS = ("text", "answer_text", "answer"), ("answer_start", "start", "offset")
UNDERSTOOD = 'give {"text": ["..."], "answer_start": [0]}, both empty where the context holds no answer'
Given = list[tuple[Any, Any]]  # text and start of each answer; a start can be None


def question_items(path: Path, rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield one item per question, with `answers` as lists `text` and `answer_start`.

    A question of SQuAD's files has the title of its article as `cluster`, or its paragraph if there is one article
    only. An answer without a start is located if its text occurs once in the context. Raises DataError with row and
    remedy for answers that are not understood.
    """
    counts: Counter[str] = Counter()
    expects_answers = not options.fields or ANSWERS in options.fields
    table = list(rows)
    articles = {str(row.get("title")) for _, row in table if "paragraphs" in row}
    cluster = "title" if len(articles) > 1 else "paragraph"
    for number, row in table:
        if "paragraphs" in row or "qas" in row:
            counts["articles"] += 1
            questions = [
                {**question, "cluster": question[cluster]} if cluster in question and articles else question
                for question in _asked(path, number, row)
            ]
        else:
            questions = [row]
        for question in questions:
            item = _answered(path, number, question, counts) if expects_answers else dict(question)
            how.changed = how.changed or item != row
            yield number, item
    if articles:
        how.columns["cluster"] = "the article's title" if cluster == "title" else "the paragraph of the only article"
    _describe(how, counts)


def questions_in(article: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (paragraph, context, question) for each question of an article in SQuAD's form.

    A paragraph is named `<title>/<number>`. Raises KeyError or TypeError for another form.
    """
    for number, paragraph in enumerate(article["paragraphs"]):
        for question in paragraph["qas"]:
            yield f"{article['title']}/{number}", paragraph["context"], question


def answers_in(question: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the answers of a question in SQuAD's form as lists. Raises KeyError or TypeError for another form."""
    return {name: [answer[name] for answer in question[ANSWERS]] for name in ("text", "answer_start")}


def _asked(path: Path, number: int, row: Mapping[str, Any]) -> Iterator[Item]:
    """Yield the questions of an article, or of a paragraph on its own, as rows."""
    part = {HIDDEN_PART: row[HIDDEN_PART]} if HIDDEN_PART in row else {}
    title = {"title": row["title"]} if row.get("title") not in (None, "") else {}
    article = row if "paragraphs" in row else {"paragraphs": [row]}
    position = str(row.get("title", "a paragraph"))
    try:
        for paragraph, context, question in questions_in({"title": "", **article}):
            position = f"paragraph {paragraph}, question {question.get('id')!r}"
            names = {**title, "paragraph": paragraph} if title and "paragraphs" in row else title
            impossible = {"is_impossible": True} if question.get("is_impossible") else {}
            answers = {ANSWERS: question[ANSWERS]} if ANSWERS in question else {}
            identity = {"id": question["id"]} if "id" in question else {}
            yield {
                **identity,
                **names,
                "context": context,
                "question": question["question"],
                **impossible,
                **part,
                **answers,
            }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: row {number}: {position}: not in SQuAD's form: {error!r}") from error


def _is_impossible(row: Mapping[str, Any]) -> bool:
    return str(row.get("is_impossible")).lower() in ("true", "1")


def _answered(path: Path, number: int, item: Item, counts: Counter[str]) -> Item:
    """Return an item with its answers as tasks take them. Raises DataError where they are not understood."""
    if _is_as_tasks_take_it(item.get(ANSWERS)) and not _is_impossible(item):
        return item
    try:
        given = _given(item)
        if given is None:
            return item
        if _is_impossible(item) and given:
            counts["impossible"] += 1
            given = []
        located = [_located(item.get("context"), text, start, counts) for text, start in given]
    except ValueError as error:
        raise DataError(f"{path}: row {number}: {error}") from error
    used = () if isinstance(item.get(ANSWERS), Mapping) else (*_TEXT_COLUMNS, *_START_COLUMNS)
    answers = {"text": [text for text, _ in located], "answer_start": [start for _, start in located]}
    return {**{name: value for name, value in item.items() if name not in used}, ANSWERS: answers}


def _is_as_tasks_take_it(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    texts, starts = value.get("text"), value.get("answer_start")
    return isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)


def _given(row: Mapping[str, Any]) -> Given | None:
    """Return the answers of a row, in any form; None if no column holds them. Raises ValueError."""
    start = next((row[name] for name in _START_COLUMNS if name in row), None)
    if ANSWERS in row:
        return _pairs(_value(row[ANSWERS]), _value(start))
    name = next((name for name in _TEXT_COLUMNS if name in row), None)
    if name is None:
        return [] if _is_impossible(row) else None
    return _pairs(_value(row[name]), _value(start))


def _value(cell: Any) -> Any:
    """Return what a cell holds: text that looks like a list or an object is parsed. Raises ValueError."""
    if not isinstance(cell, str):
        return None if isinstance(cell, float) and cell != cell else cell
    text = cell.strip()
    if not text:
        return None
    is_value = (text[0], text[-1]) in (("{", "}"), ("[", "]"))
    if not is_value:
        return cell
    try:
        return parsed(text)
    except ValueError as error:
        raise ValueError(f"answers {error}; {UNDERSTOOD}") from error


def _pairs(value: Any, start: Any) -> Given:
    if isinstance(value, Mapping):
        return _pairs(_texts_of(value), _first_of(value, _START_KEYS))
    if value is None or (isinstance(value, list | tuple) and not value):
        return []
    if isinstance(value, list | tuple):
        if all(isinstance(entry, Mapping) for entry in value):
            return [pair for entry in value for pair in _pairs(entry, None)]
        starts = start if isinstance(start, list | tuple) else [start] * len(value) if start is None else [start]
        if len(starts) != len(value):
            raise ValueError(f"{len(value)} answers but {len(starts)} starts; {UNDERSTOOD}")
        return list(zip(value, starts, strict=True))
    if not isinstance(value, str):
        raise ValueError(f"answers must be text, got {value!r:.80}; {UNDERSTOOD}")
    if isinstance(start, list | tuple) and len(start) == 1:
        start = start[0]
    return [(value, start)]


def _texts_of(value: Mapping[str, Any]) -> Any:
    """Return the text, or texts, of an answer's object. Raises ValueError for one that holds others than texts."""
    if value and not set(value) & set(_TEXT_KEYS):
        raise ValueError(f"answers hold {', '.join(map(repr, list(value)[:3]))} but no text; {UNDERSTOOD}")
    return _first_of(value, _TEXT_KEYS)


def _first_of(value: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((value[key] for key in keys if key in value), None)


def _located(context: Any, text: Any, start: Any, counts: Counter[str]) -> tuple[Any, Any]:
    """Return an answer with its start. Raises ValueError for a text that does not occur exactly once."""
    if start is not None and start != "":
        return text, _whole(start)
    if not isinstance(text, str) or not text.strip() or not isinstance(context, str):
        raise ValueError(f"an answer must be text, got {text!r:.80}; {UNDERSTOOD}")
    answer = text.strip()
    position = context.find(answer)
    if position < 0:
        raise ValueError(f"the answer {answer!r:.80} has no start, and does not occur in the context; {UNDERSTOOD}")
    if context.find(answer, position + 1) >= 0:
        raise ValueError(
            f"the answer {answer!r:.80} has no start, and occurs more than once in the context; {UNDERSTOOD}"
        )
    counts["located"] += 1
    return answer, position


def _whole(start: Any) -> Any:
    if isinstance(start, str):
        digits = start.strip().removesuffix(".0")  # as pandas writes whole numbers where others are missing
        return int(digits) if digits.lstrip("+-").isdecimal() else start
    return int(start) if isinstance(start, float) and start.is_integer() else start


def _describe(how: HowRead, counts: Counter[str]) -> None:
    if counts["articles"]:
        how.remarks.append(f"{counts['articles']} articles or paragraphs in SQuAD's form")
    if counts["located"]:
        how.notes.append(
            f"{counts['located']} answers have no start: each text occurs once in its context and is there"
        )
    if counts["impossible"]:
        how.notes.append(f"{counts['impossible']} questions are marked impossible: their answers are left out")
