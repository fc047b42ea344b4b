"""Brings labels into the form that the user declares: names of classes, the outside label, the scheme of tags.

Answers to questions get the white space of their contexts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainables.config import DataConfig
from trainables.data.dataset import DataError, Item
from trainables.data.forms.answers import Answers
from trainables.data.forms.answers import normalized as in_context
from trainables.data.forms.labels import are_vectors, label_list, label_notes
from trainables.data.forms.tags import Tags, normalized

_LABEL_FIELDS = ("label", "labels")


def as_declared(items: list[Item], data: DataConfig, fields: Sequence[str]) -> Tags:
    """Return the items with labels named and tags in IOB2, as `data` says, and notes for plan and report.

    `fields` are those that the task needs. Raises DataError for a declaration that the labels contradict.
    """
    answers = in_context(items) if "answers" in fields else Answers(items)
    items = answers.items
    wanted = [field for field in _LABEL_FIELDS if field in fields]
    if data.label_names is not None:
        items = _named(items, data.label_names, wanted)
    tags = normalized(items, data.outside, data.scheme) if "words" in fields or not fields else Tags(items)
    if (data.outside is not None or data.scheme is not None) and fields and "words" not in fields:
        raise DataError("data.outside and data.scheme are for tasks with one label per word: remove them")
    notes = (*answers.notes, *tags.notes, *label_notes(tags.items, wanted))
    return Tags(tags.items, notes, answers.changed or tags.changed)


def _named(items: Sequence[Item], names: Sequence[str], fields: Sequence[str]) -> list[Item]:
    """Return the items with class numbers replaced by names; a list of 0 and 1 for all names is a vector."""
    if not fields:
        raise DataError("data.label_names: this task has no labels: remove the key")
    vectors = "words" not in items[0] and are_vectors((item.get("labels") for item in items), names)
    named = []
    for number, item in enumerate(items, start=1):
        changed = dict(item)
        for field in (field for field in fields if item.get(field) is not None):
            try:
                changed[field] = _names_of(item[field], names, vectors)
            except ValueError as error:
                raise DataError(f"item {number} (id {item.get('id')!r}): data.label_names: {error}") from error
        named.append(changed)
    return named


def _names_of(value: Any, names: Sequence[str], vectors: bool) -> Any:
    if not isinstance(value, list | tuple):
        return _name(value, names)
    if vectors:
        return label_list(value, names)
    return [_name(entry, names) for entry in value]


def _name(value: Any, names: Sequence[str]) -> Any:
    """Return the name of a class number; a name stays as it is, and so does -1, which hides a label."""
    if value in names or str(value) == "-1":
        return value
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if not 0 <= number < len(names):
        raise ValueError(f"{value!r} is neither one of the {len(names)} names nor a number from 0 to {len(names) - 1}")
    return names[number]
