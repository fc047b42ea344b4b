"""SQuAD 2.0 (Rajpurkar et al. 2018): questions on Wikipedia paragraphs, half of them without an answer.

A local copy is the official development file with a partition of its articles, so that a model can be trained and
scored without the training file. From the hub, the data are the official training and development parts.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Dataset, HubSource, Item, Parts, Reading
from trainables.data.forms.questions import answers_in, questions_in

FILE = "dev-v2.0.json.gz"
ARTICLES = "article_split.json"
PARTS = {"fit": "train", "eval": "validation"}
NOTE = "trained and scored on articles of the SQuAD 2.0 development file: these are not official development scores"


def read(location: Path) -> Reading:
    """Read the questions of the file in a folder, and their parts from the article split beside it. Raises DataError.

    A question's `cluster` is its article; `paragraph`, `<title>/<number>`, is the smaller unit that shares a context.
    """
    source = location / FILE
    items = list(_questions(source, _json(source)))
    if not items:
        raise DataError(f"{source}: there are no questions")
    _refuse_duplicates(source, items)
    return Reading(items, _parts(location / ARTICLES, items), (NOTE,))


def _json(path: Path) -> dict[str, Any]:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        document = json.loads(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(document).__name__}")
    return document


def _questions(path: Path, document: dict[str, Any]) -> Iterator[Item]:
    """Yield the questions. Raises DataError for anything that does not have SQuAD's form."""
    position = "data"
    try:
        for article in document["data"]:
            for position, context, question in questions_in(article):
                yield _question(question, article["title"], position, context)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: {position}: not in SQuAD's form: {error}") from error


def _question(question: dict[str, Any], title: str, paragraph: str, context: str) -> Item:
    return {
        "id": question["id"],
        "cluster": title,
        "paragraph": paragraph,
        "title": title,
        "context": context,
        "question": question["question"],
        "answers": answers_in(question),
    }


def _refuse_duplicates(path: Path, items: list[Item]) -> None:
    seen: set[str] = set()
    for item in items:
        if item["id"] in seen:
            raise DataError(f"{path}: the question id {item['id']!r} is used twice")
        seen.add(item["id"])


def _parts(path: Path, items: list[Item]) -> Parts:
    document = _json(path)
    part_of = {title: part for name, part in PARTS.items() for title in document.get(name, ())}
    unknown = next((item["title"] for item in items if item["title"] not in part_of), None)
    if unknown is not None:
        raise DataError(f"{path}: the article {unknown!r} is in neither {' nor '.join(PARTS)}")
    return {
        part: [index for index, item in enumerate(items) if part_of[item["title"]] == part] for part in PARTS.values()
    }


DATASET = Dataset(
    name="squad-v2",
    description="130,319 training and 11,873 development questions on Wikipedia paragraphs, half without an answer",
    task="question_answering",
    licence="CC BY-SA 4.0 (Rajpurkar et al. 2018)",
    files=(FILE, ARTICLES),
    read=read,
    hub=HubSource("rajpurkar/squad_v2"),
)
