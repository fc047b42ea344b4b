"""Makes words and tags from texts with labelled spans, as annotation tools export them.

Understood are lists of `[start, end, label]` or of objects (doccano, Prodigy, spaCy, Label Studio), and tables with one
row per span. Words are runs of letters, digits and combining marks; every other character but white space is a word of
its own, and so is each Chinese or Japanese character. A file's own tokens are kept. A span gives its first word `B-`
and the others `I-`; a span that cuts a word labels the whole word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item
from trainables.data.forms.cells import is_list, parsed
from trainables.data.forms.span_forms import FORM, Span, spans_of, tasks_as_rows
from trainables.data.how_read import HowRead, ReadOptions, Row

_COLUMNS = ("spans", "labels", "entities", "ents", "label", "annotation", "annotations", "tags")
_KEPT = ("id", "cluster")
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_JOINING = frozenset("\u200c\u200d\u00ad")
_INVISIBLE = "\u200b\ufeff\u2060"
OUTSIDE = "O"

Place = tuple[int, int]  # where a word begins and ends (exclusive), in characters


def has_spans(rows: Sequence[Row]) -> bool:
    """Return whether rows hold texts with spans and no words: in a column, or with one row per span."""
    first = rows[0][1]
    if "words" in first or not ("text" in first or "data" in first):
        return False
    return _is_label_studio(rows) or _is_span_table(rows) or _column(rows) is not None


def span_items(path: Path, rows: Sequence[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield items with `words` and `labels`. Raises DataError with row and remedy for a span that is not understood.

    A text without spans is an item too, one that was not annotated or was rejected is left out. What is left out or
    changed is counted in `how.notes`.
    """
    counts = _Counts()
    if _is_label_studio(rows):
        rows = list(tasks_as_rows(path, rows, counts.left_out))
        how.remarks.append("texts and spans are those of Label Studio")
    elif _is_span_table(rows):
        rows = list(_grouped(path, rows, how))
    column = _column(rows) or "spans"
    how.columns["words"] = "the tokens of the file" if _has_tokens(rows) else "text, cut into words and punctuation"
    how.columns["labels"] = f"spans of characters in {column!r}"
    for number, row in rows:
        if row.get("answer") in ("reject", "ignore"):
            counts.left_out["rejected or ignored by the annotator"] += 1
            continue
        try:
            yield number, _item(row, column, options, counts)
        except ValueError as error:
            raise DataError(f"{path}: row {number}: {error}") from error
    how.changed = True
    how.notes += counts.sentences()


@dataclass
class _Counts:
    """What happened to spans and texts, for the notes."""

    spans: int = 0
    cut: int = 0
    overlapping: int = 0
    no_word: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def sentences(self) -> Iterator[str]:
        if self.cut:
            yield f"{self.cut} of {self.spans} spans begin or end within a word: the whole word is labelled"
        if self.overlapping:
            yield f"{self.overlapping} of {self.spans} spans share a word with a longer one and are left out"
        if self.no_word:
            yield f"{self.no_word} of {self.spans} spans hold no word of their text and are left out"
        for reason, count in self.left_out.items():
            yield f"{count} texts or annotations are left out: {reason}"


def words_of(text: str) -> list[Place]:
    """Return where the words of a text are: runs of letters, digits and marks, and every other character but blanks."""
    others = () if text.isascii() else set(text)
    joined = "".join(sorted(char for char in others if char in _JOINING or unicodedata.category(char)[0] == "M"))
    inside = rf"[^\W{_EAST_ASIAN}]" + (f"|[{re.escape(joined)}]" if joined else "")
    pattern = rf"[{_EAST_ASIAN}]|(?:{inside})+|[^\w\s{_INVISIBLE}]"
    return [match.span() for match in re.finditer(pattern, text)]


def _item(row: Mapping[str, Any], column: str, options: ReadOptions, counts: _Counts) -> Item:
    text = row.get("text")
    if not isinstance(text, str):
        raise ValueError(f"text must be text, got {text!r}")
    places, words = _tokens(row, text)
    others = {key: value for key, value in row.items() if key not in ("text", "tokens", column)}
    item: Item = {**others, "words": words}
    if not options.fields or "labels" in options.fields:
        item["labels"] = _tags(text, places, spans_of(text, _cell(row.get(column))), counts)
    return item


def _cell(value: Any) -> Any:
    return parsed(value) if isinstance(value, str) and value.strip() else value


def _tokens(row: Mapping[str, Any], text: str) -> tuple[list[Place], list[str]]:
    """Return the places and texts of the file's own tokens, where it has some, else of the text's words."""
    tokens: Any = row.get("tokens")
    if _is_tokens(tokens):
        places = [(token["start"], token["end"]) for token in tokens]
        if any(not 0 <= start <= end <= len(text) for start, end in places):
            raise ValueError(f"a token lies outside the text, which has {len(text)} characters")
    else:
        places = words_of(text)
    places = sorted((start, end) for start, end in places if text[start:end].strip())
    return places, [text[start:end] for start, end in places]


def _is_tokens(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(token, dict) and type(token.get("start")) is type(token.get("end")) is int for token in value
        )
    )


def _has_tokens(rows: Sequence[Row]) -> bool:
    return any(_is_tokens(row.get("tokens")) for _, row in rows)


def _tags(text: str, places: Sequence[Place], spans: Sequence[Span], counts: _Counts) -> list[str]:
    """Return the tag of each word. Of overlapping spans the longest stays; of equally long ones the first."""
    tags = [OUTSIDE] * len(places)
    starts, ends = [start for start, _ in places], [end for _, end in places]
    counts.spans += len(spans)
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        inside = range(bisect_right(ends, span.start), bisect_left(starts, span.end))
        if not inside:
            counts.no_word += 1
            continue
        if any(tags[index] != OUTSIDE for index in inside):
            counts.overlapping += 1
            continue
        counts.cut += places[inside[0]][0] < span.start or places[inside[-1]][1] > span.end
        for position, index in enumerate(inside):
            tags[index] = f"{'I' if position else 'B'}-{span.label}"
    return tags


def _column(rows: Sequence[Row]) -> str | None:
    """Return the column of the spans: the first of the usual names that holds some, else the only other one."""
    names = dict.fromkeys(name for _, row in rows for name in row if name not in ("text", "tokens", "words"))
    holding = [name for name in names if _holds_spans(rows, name)]
    return next((name for name in _COLUMNS if name in holding), holding[0] if len(holding) == 1 else None)


def _holds_spans(rows: Iterable[Row], name: str) -> bool:
    """Return whether the first cell of a column that is not empty is a list of spans."""
    for _, row in rows:
        value = row.get(name)
        if isinstance(value, str):
            if not is_list(value):
                if value.strip():
                    return False
                continue
            try:
                value = parsed(value)
            except ValueError:
                return False
        if value not in (None, []):
            return isinstance(value, list | tuple) and _looks_like_spans(value)
    return False


def _looks_like_spans(values: Sequence[Any]) -> bool:
    first = values[0]
    if isinstance(first, Mapping):
        return bool(FORM.start & set(first)) or "points" in first or "value" in first
    return isinstance(first, list | tuple) and len(first) == 3 and sorted(map(type, first), key=str) == [int, int, str]


def _is_label_studio(rows: Sequence[Row]) -> bool:
    first = rows[0][1]
    return isinstance(first.get("data"), dict) and ("annotations" in first or "completions" in first)


def _is_span_table(rows: Sequence[Row]) -> bool:
    first = rows[0][1]
    return {"start", "end"} <= set(first) and bool({"label", "labels"} & set(first)) and not _column(rows)


def _grouped(path: Path, rows: Sequence[Row], how: HowRead) -> Iterator[Row]:
    """Yield a row per text from a table with a row per span; an empty start marks a text without spans."""
    key = _group_key(rows, how)
    label = "label" if "label" in rows[0][1] else "labels"
    groups: dict[Any, tuple[int, dict[str, Any]]] = {}
    for number, row in rows:
        identity = row.get(key)
        if identity is None or identity == "":
            raise DataError(f"{path}: row {number}: {key} is empty; every row of a span must name its text")
        kept = {name: row[name] for name in (*_KEPT, how.part) if name is not None and name in row}
        start, first = groups.setdefault(identity, (number, {**kept, "text": row.get("text"), "spans": []}))
        if first["text"] != row.get("text"):
            raise DataError(
                f"{path}: row {number}: the text differs from that of row {start}, which has the same {key} "
                f"{identity!r}; give every text an id of its own"
            )
        if row["start"] not in (None, ""):
            first["spans"].append({"start": row["start"], "end": row["end"], "label": row[label]})
    if key != "id":
        for _, row in groups.values():
            row.pop("id", None)
    yield from groups.values()


def _group_key(rows: Sequence[Row], how: HowRead) -> str:
    """Return what says which rows belong to one text: `id`, but not where it counts the spans; else the text."""
    texts = {row.get("text") for _, row in rows}
    ids = {str(row.get("id")) for _, row in rows}
    key = "id" if "id" in rows[0][1] and (len(ids) < len(rows) or len(texts) == len(rows)) else "text"
    how.remarks.append(f"each row is a span; rows with the same {key} belong to one item")
    return key
