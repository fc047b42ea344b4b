"""Reads the forms in which tools write one span: three values, or an object with two offsets and a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HIDDEN_PART, Row

FORM = SimpleNamespace(
    start=frozenset({"start", "start_offset", "startOffset", "start_char", "begin"}),
    end=frozenset({"end", "end_offset", "endOffset", "end_char", "stop"}),
    label=frozenset({"label", "labels", "entity_group", "entity_type", "entity", "type", "tag", "category"}),
)
UNDERSTOOD = 'a span is [start, end, "LABEL"] or {"start": 0, "end": 5, "label": "LABEL"}, in characters from 0'
_NOT_ANNOTATED = "not annotated"


@dataclass(frozen=True)
class Span:
    """A labelled part of a text: characters `start` to `end` (exclusive), without white space at its ends."""

    start: int
    end: int
    label: str


def spans_of(text: str, values: Any) -> list[Span]:
    """Return the spans of one text, each once. Raises ValueError, with a form that is understood."""
    if values is None or values == "":
        return []
    if not isinstance(values, list | tuple):
        raise ValueError(f"expected a list of spans, got {values!r:.80}; {UNDERSTOOD}")
    spans = [_checked(text, *parts) for value in values for parts in _parts(value)]
    return list(dict.fromkeys(spans))


def _parts(value: Any) -> Iterator[tuple[Any, Any, Any, str | None]]:
    """Yield start, end, label and, where the file has it, the text of one entry."""
    if isinstance(value, list | tuple):
        ordered = [entry for entry in value if isinstance(entry, int)] + [e for e in value if not isinstance(e, int)]
        if len(value) != 3 or [isinstance(entry, int) for entry in ordered] != [True, True, False]:
            raise ValueError(f"{value!r:.80} is no span; {UNDERSTOOD}")
        yield ordered[0], ordered[1], ordered[2], None
    elif not isinstance(value, Mapping):
        raise ValueError(f"{value!r:.80} is no span; {UNDERSTOOD}")
    elif isinstance(value.get("value"), Mapping):
        yield from _parts(value["value"])
    elif isinstance(value.get("points"), list):  # Dataturks counts the last character in
        for point in value["points"]:
            yield point["start"], point["end"] + 1, value.get("label"), point.get("text")
    else:
        text = value.get("text")
        yield *(_first(value, keys) for keys in (FORM.start, FORM.end, FORM.label)), text


def _first(value: Mapping[str, Any], keys: frozenset[str]) -> Any:
    given = [value[key] for key in value if key in keys and value[key] is not None]
    return given[0] if given else None


def _checked(text: str, start: Any, end: Any, label: Any, written: Any) -> Span:
    first, last, name = _offset(start), _offset(end), _label(label)
    if not 0 <= first < last <= len(text):
        advice = "; offsets count characters, not bytes" if last > len(text) and not text.isascii() else ""
        raise ValueError(f"the span {first}-{last} lies outside the text, which has {len(text)} characters{advice}")
    part = text[first:last]
    if isinstance(written, str) and written.split() != part.split():
        raise ValueError(
            f"the span {first}-{last} is {part!r} in the text, but the file says {written!r}"
            f"{_unit(text, first, written)}"
        )
    if not part.strip():
        raise ValueError(f"the span {first}-{last} holds only white space; remove it")
    first += len(part) - len(part.lstrip())
    return Span(first, first + len(part.strip()), name)


def _unit(text: str, start: int, written: str) -> str:
    """Return what the offsets seem to count, if it is not characters."""
    for unit, codec, size in (("bytes", "utf-8", 1), ("UTF-16 units", "utf-16-le", 2)):
        begin = text.encode(codec, "surrogatepass")[start * size :]
        if begin.startswith(written.encode(codec, "surrogatepass")):
            return f"; its offsets count {unit}, they must count characters"
    return "; offsets must count characters from 0, the end exclusive"


def _offset(value: Any) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r:.80} is no offset; {UNDERSTOOD}")
    return value


def _label(value: Any) -> str:
    if isinstance(value, list | tuple):
        if len(value) != 1:
            raise ValueError(f"a span needs one label, got {list(value)!r:.80}; {UNDERSTOOD}")
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"{value!r:.80} is no label of a span; {UNDERSTOOD}")
    return str(value).strip()


def tasks_as_rows(path: Path, tasks: Sequence[Row], left_out: Counter[str]) -> Iterator[Row]:
    """Yield rows with `text` and `spans` from tasks of Label Studio: the first annotation that was not cancelled."""
    for number, task in tasks:
        data = task["data"]
        given = task.get("annotations", task.get("completions")) or []
        done = [one for one in given if isinstance(one, Mapping) and not one.get("was_cancelled")]
        if not done:
            left_out[_NOT_ANNOTATED] += 1
            continue
        if len(done) > 1:
            left_out["another annotator's, of a text that the first one annotated"] += len(done) - 1
        spans = [entry for entry in done[0].get("result") or [] if _marks_text(entry)]
        kept = {key: value for key, value in task.items() if key in ("id", HIDDEN_PART)}
        yield number, {**kept, **_others(data), "text": _text(path, number, data), "spans": spans}


def _marks_text(entry: Any) -> bool:
    """Return whether a result is a span; choices and relations mark no part of the text."""
    return isinstance(entry, Mapping) and isinstance(entry.get("value"), Mapping) and "start" in entry["value"]


def _others(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key in ("id", "cluster")}


def _text(path: Path, number: int, data: Mapping[str, Any]) -> str:
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data.get("text", texts[0] if len(texts) == 1 else None)
    if not isinstance(text, str):
        raise DataError(f"{path}: row {number}: data must hold one text, under `text`; it holds {', '.join(data)}")
    return text
