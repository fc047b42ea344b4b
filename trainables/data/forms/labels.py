"""Turns the cells of label columns into classes and lists of labels, and warns about doubtful ones.

A list of labels may be a list, JSON or Python text (`['joy', 'anger']`, as pandas and numpy write it), or names with a
separator between, which is decided for a whole column. Text is never executed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from trainables.data.dataset import Item
from trainables.data.forms.cells import parsed_list

SEPARATORS = ("|", ";", ",")
"""What may stand between labels in one cell, the least likely part of a name first."""

_MISSING = {"NAType", "NaTType"}  # pandas' marks, known by name so that pandas need not be imported
_TRUE, _FALSE = {"1", "true", "t", "yes", "y"}, {"0", "false", "f", "no", "n"}
_HIDDEN = {"--", "?", "??", "n/a", "#n/a", "na", "nan", "null", "unlabeled", "unlabelled"}  # tasks refuse - and -1
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_NUMBERS = re.compile(r"[\s\d.,+-]+")
_SHOWN = 3


def class_of(value: Any) -> Any:
    """Return one class as the tasks take it: text, or a whole number; None where it is missing.

    Booleans become `true` and `false`, whole floats numbers (1.0 -> 1), other floats their text (0.5 -> '0.5'), and a
    list of one class that class. Text stays as it is, and so does what is no class: the task refuses it.
    """
    if isinstance(value, list | tuple | np.ndarray):
        return _only(value)
    if value is None or type(value).__name__ in _MISSING:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        return _number(value)
    return str(value) if isinstance(value, str) else value


def _only(values: Any) -> Any:
    values = list(values) if np.ndim(values) else [values[()]]
    if not values:
        return None
    return class_of(values[0]) if len(values) == 1 else values


def _number(value: Any) -> int | str | None:
    if math.isnan(value):
        return None
    whole = math.isfinite(value) and value == int(value)
    return int(value) if whole else str(value)


def is_one(value: Any) -> bool:
    """Return whether a cell of a 0/1 column says 1, in any writing: 1, 1.0, true, yes. Raises ValueError for others."""
    text = str(value).strip().casefold()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if number not in (0.0, 1.0):
        raise ValueError(f"must be 0 or 1 (or true and false, yes and no), got {value!r}")
    return number == 1.0


def separator_of(cells: Iterable[Any]) -> str | None:
    """Return what stands between labels in a column of text: the first of SEPARATORS that occurs; None if none does.

    So a class with a comma in its name is not cut where the file uses `|`. Cells that hold a list do not count.
    """
    texts = [cell for cell in cells if isinstance(cell, str) and not _is_bracketed(cell)]
    return next((separator for separator in SEPARATORS if any(separator in text for text in texts)), None)


def separator_notes(cells: Iterable[Any], separator: str | None) -> tuple[str, ...]:
    """Return how the cells of a column are cut at `separator`, and a warning about labels that never occur apart."""
    if separator is None:
        return ()
    cut = [_cut(cell, separator) for cell in cells if isinstance(cell, str) and not _is_bracketed(cell)]
    notes = (f"labels are separated by {separator!r}",)
    joined = _never_apart(cut)
    if not joined:
        return notes
    whole, remedy = f"{separator} ".join(joined), "separate labels by | where a name holds a comma"
    return (*notes, f"{' and '.join(map(repr, joined))} occur only together; if {whole!r} is one label, {remedy}")


def _never_apart(cut: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return labels that are neighbours in every cell where one of them occurs, at least twice, in the same order."""
    counts = Counter(chain.from_iterable(cut))
    pairs = Counter(pair for labels in cut for pair in pairwise(labels))
    return next(
        (pair for pair, count in pairs.items() if count > 1 and counts[pair[0]] == counts[pair[1]] == count), ()
    )


def are_vectors(cells: Iterable[Any], names: Sequence[str] | None) -> bool:
    """Return whether every cell that is not missing is a vector of 0 and 1 for these names."""
    if names is None:
        return False
    try:
        return all(label_list(cell, names) is not None or _is_missing(cell) for cell in cells)
    except ValueError:
        return False


def label_list(value: Any, known_names: Sequence[str] | None = None, separator: str | None = None) -> list[str] | None:
    """Return the labels of one cell of a multi-label column; None where they are missing (null, NaN).

    An empty text and an empty list are no label. With `known_names`, the cell is a vector of 0 and 1 for these labels.
    `separator` is that of the column (`separator_of`). Raises ValueError, with the reason, for anything else.
    """
    if _is_missing(value):
        return None
    if isinstance(value, str):
        values = _values_of_text(value, separator)
    elif isinstance(value, list | tuple | set | frozenset | np.ndarray):
        values = list(value) if isinstance(value, list | tuple | np.ndarray) else sorted(value, key=str)
    else:
        values = [value]
    return _names(values) if known_names is None else _marked(values, known_names)


def _is_missing(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return False
    return class_of(value) is None or (isinstance(value, str) and value.strip().casefold() == "nan")


def _values_of_text(text: str, separator: str | None) -> list[Any]:
    if _is_bracketed(text):
        return _elements(text)
    return _cut(text, separator)


def _is_bracketed(text: str) -> bool:
    """Return whether a text is a list: in [ ], or in ( ) or { } where quotes or numbers show that it is no name."""
    stripped = text.strip()
    if stripped[:1] == "[":
        return True
    inner = stripped[1:-1].strip()
    is_list = inner[:1] in ("'", '"', "") or bool(_NUMBERS.fullmatch(inner))
    return len(stripped) > 1 and _BRACKETS.get(stripped[0]) == stripped[-1] and is_list


def _cut(text: str, separator: str | None) -> list[str]:
    labels = [text] if separator is None else text.split(separator)
    return [label.strip() for label in labels if label.strip()]


def _elements(text: str) -> list[Any]:
    """Return the elements of a list in brackets: JSON, Python's form, NumPy's form, or bare names with commas."""
    text = text.strip()
    if _BRACKETS[text[0]] != text[-1]:
        raise ValueError(f"a list of labels has no closing bracket: {_short(text)}")
    inner = text[1:-1].strip()
    if re.fullmatch(r"[\s\d.]+", inner):
        return [float(number) for number in inner.split()]  # as NumPy writes them
    if not re.search(r"""[][(){}'"]""", inner) and not _NUMBERS.fullmatch(inner):
        return [name.strip() for name in inner.split(",") if name.strip()]
    try:
        return parsed_list(f"[{inner}]")
    except ValueError as error:
        raise ValueError(f"a list of labels {error}: {_short(text)}") from error


def _names(values: Sequence[Any]) -> list[str]:
    for value in values:
        if isinstance(value, list | tuple | np.ndarray) or not isinstance(class_of(value), str | int):
            raise ValueError(f"a label must be text or a whole number, got {_short(repr(value))}")
    classes = [class_of(value) for value in values]
    names = [str(name) for name in classes]
    if len(names) > 1 and set(names) <= {"0", "1", "true", "false"} and len(set(names)) < len(names):
        needed = f"the names of its {len(names)} labels (data.label_names)"
        raise ValueError(f"a vector of 0 and 1 needs {needed}, got {_short(str(values))}")
    return names


def _marked(values: Sequence[Any], names: Sequence[str]) -> list[str]:
    if len(values) == 1 and isinstance(values[0], str) and len(names) != 1:
        values = re.split(r"[\s,;|]+", values[0].strip())
    if len(values) != len(names):
        raise ValueError(f"needs {len(names)} values of 0 or 1, one for each label, got {len(values)}")
    return [name for name, value in zip(names, values, strict=True) if is_one(value)]


def label_notes(items: Sequence[Item], fields: Sequence[str]) -> tuple[str, ...]:
    """Return warnings about labels that look alike or hidden; `fields` are those that hold labels. Nothing is changed.

    Alike are names that differ only in white space, case, invisible characters, or the writing of a number.
    """
    counts = Counter(chain.from_iterable(_labels(item.get(field)) for item in items for field in fields))
    by_key: dict[str, list[str]] = {}
    for label in counts:
        by_key.setdefault(_key(label), []).append(label)
    alike = [sorted(names, key=lambda name: -counts[name]) for names in by_key.values() if len(names) > 1]
    notes = (_alike_note(alike, counts),) if alike else ()
    if any(item.get("words") is not None for item in items):  # `-` may be a part of speech there, or mean outside
        return notes
    hidden = [label for label in counts if label.strip() == str(None) or label.strip().casefold() in _HIDDEN]
    return (*notes, *(_hidden_note(label, counts[label]) for label in hidden))


def _labels(value: Any) -> list[str]:
    """Return the labels of a field as tasks name them: 1 and '1' are one class."""
    values = value if isinstance(value, list | tuple) else (value,)
    return [str(label) for label in values if isinstance(label, str | int)]


def _key(label: str) -> str:
    visible = "".join(mark for mark in label if mark.isascii() or unicodedata.category(mark) != "Cf")
    text = " ".join(unicodedata.normalize("NFC", visible).split()).casefold()
    try:
        return str(float(text))
    except ValueError:
        return text


def _alike_note(alike: Sequence[Sequence[str]], counts: Mapping[str, int]) -> str:
    shown = [" / ".join(f"{name!r} ({counts[name]:,})" for name in names[:4]) for names in alike[:_SHOWN]]
    more = f", and {len(alike) - _SHOWN:,} more" if len(alike) > _SHOWN else ""
    return (
        f"labels that look alike count as different: {', '.join(shown)}{more}; if they mean the same, correct the data"
    )


def _hidden_note(label: str, count: int) -> str:
    items = "item has" if count == 1 else "items have"
    return f"{count:,} {items} the label {label!r}, a class like any other; if it means a missing label, remove them"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
