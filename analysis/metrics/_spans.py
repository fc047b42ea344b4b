"""Finds entities (spans) in tag sequences, as conlleval does or strictly by their scheme.

Default mode: any tag that cannot continue the entity before it starts a new one, so `I-NP I-NP` is an entity
(Tjong Kim Sang and De Meulder 2003, conlleval). Strict mode: an entity starts with B- and continues with I- of its
type; where the labels have E-/S- (or their BILOU names L-/U-), it must end with E- or be a single S-, and M- of BMES is
I-. In both, a word without a prediction belongs to no entity, like `O`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial

import numpy as np

from analysis.metrics import Answers, Floats, Metric
from analysis.metrics._classes import OUTSIDE, micro

Span = tuple[str, int, int]
Reading = Callable[[Sequence[str], bool], set[Span]]  # tags of one item, whether the labels have E- or S-
_TAG = re.compile(r"([BIESLUM])-.+|O")
_IOBES = {"L": "E", "U": "S", "M": "I"}


def applies(labels: Collection[str]) -> bool:
    """Return whether every label is `O` or `B-X` (or I-, E-, S-, L-, U-, M-), and one is not `O`."""
    return all(_TAG.fullmatch(str(label)) for label in labels) and any(str(label) != "O" for label in labels)


def span_metric(name: str, title: str, description: str, mode: str, spans: Reading) -> Metric:
    """Return the F1 metric over the entities that `spans` finds in the tags of each item."""
    return Metric(name, title, description, partial(_counts, spans), micro, mode=mode, applies=applies)


def _counts(spans: Reading, both: Answers) -> Floats:
    labels = {tag_of(entry) for entry in {*both.gold, *both.predicted}}
    if not all(_TAG.fullmatch(label) for label in labels):
        plain = sorted(label for label in labels if not _TAG.fullmatch(label))[:3]
        raise ValueError(f"span F1 needs labels such as B-X, I-X and O, not {', '.join(plain)}")
    bounds = np.flatnonzero(np.diff(both.items, prepend=-1, append=both.num_items))
    closed = is_closed(labels)
    rows = [_item(spans, both, slice(start, end), closed) for start, end in itertools.pairwise(bounds)]
    return np.array(rows, dtype=np.float64)


def _item(spans: Reading, both: Answers, words: slice, closed: bool) -> tuple[int, int, int]:
    sides = (both.gold, both.predicted)
    gold, predicted = (spans([tag_of(entry) for entry in side[words]], closed) for side in sides)
    return len(gold & predicted), len(predicted), len(gold)


def tag_of(entry: Hashable) -> str:
    """Return an entry as a tag, `O` for a missing prediction."""
    return OUTSIDE if entry is None else str(entry)


def is_closed(labels: Collection[str]) -> bool:
    """Return whether these tags mark the end of an entity (E-, S- or their BILOU names)."""
    return any(_parse(label)[0] in "ES" for label in labels)


def lenient_spans(tags: Sequence[str], closed: bool) -> set[Span]:
    """Return (type, first word, last word) of each entity as conlleval reads it, whether or not labels are `closed`."""
    spans: set[Span] = set()
    start, previous, kind = 0, "O", ""
    for word, tag in enumerate([*tags, "O"]):
        position, name = _parse(tag)
        starts = _starts(previous, position, kind != name)
        if previous != "O" and (starts or position == "O"):
            spans.add((kind, start, word - 1))
        start = word if starts else start
        previous, kind = position, name
    return spans


def _starts(previous: str, position: str, changed: bool) -> bool:
    if position == "O":
        return False
    return position in "BS" or previous in "OES" or changed


def strict_spans(tags: Sequence[str], closed: bool) -> set[Span]:
    """Return (type, first word, last word) of each entity that is well-formed in IOB2, or in IOBES if `closed`."""
    spans: set[Span] = set()
    for start in range(len(tags)):
        end = _strict_end(tags, start, closed)
        if end is not None:
            spans.add((_parse(tags[start])[1], start, end))
    return spans


def _strict_end(tags: Sequence[str], start: int, closed: bool) -> int | None:
    position, kind = _parse(tags[start])
    if position == "S":
        return start
    if position != "B":
        return None
    end = start
    while end + 1 < len(tags) and _parse(tags[end + 1]) == ("I", kind):
        end += 1
    if not closed:
        return end
    return end + 1 if end + 1 < len(tags) and _parse(tags[end + 1]) == ("E", kind) else None


def _parse(tag: str) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    return _IOBES.get(tag[0], tag[0]), tag[2:]
