"""Brings the labels of words into the form that span metrics read: `B-X` begins an entity, `I-X` continues it.

`O` stands for a word outside every entity. IOB1, IO, IOE1 and IOE2 (Tjong Kim Sang and Veenstra 1999) are converted to
IOB2 if the user names them, and are warned about if not: read as IOB2, they hold hardly any well-formed entity. IOBES,
BILOU and BMES stay as they are, because the metrics read them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from trainables.data.dataset import DataError, Item

OUTSIDE = "O"
SCHEMES: Mapping[str, str] = {"iob1": "BI", "io": "I", "ioe1": "IE", "ioe2": "IE"}
"""The schemes that are converted, and the positions that each may have."""

_LOOK_OUTSIDE = {"0", "o", "out", "outside", "_", "-", "none", "other", "null", "nil", "na", "n/a"}
_POSITIONS = "BIESLUM"
_TAG = re.compile(rf"([{_POSITIONS}])-(.+)")
_IOBES = {"L": "E", "U": "S", "M": "I"}  # BILOU and BMES are IOBES by other names
_SHOWN = 5

Tag = tuple[str, str]  # position and type; both empty outside


@dataclass(frozen=True)
class Tags:
    """Items whose word labels are canonical, and notes for plan and report. `changed`: some label is another now."""

    items: list[Item]
    notes: tuple[str, ...] = ()
    changed: bool = False


def normalized(items: list[Item], outside: str | None = None, scheme: str | None = None) -> Tags:
    """Return the items with canonical word labels; items without `words` or without text labels are left as they are.

    `outside` is the label that means `O` (data.outside), `scheme` one of SCHEMES (data.scheme). Labels such as `B_PER`,
    `PER-B` or `b-per` become `B-PER` if all but the outside label have that form, and some type both begins and
    continues. Raises DataError for an `outside` that no word has and for a `scheme` that the labels contradict. Call it
    for data that trains or is scored; a file that is only predicted has no labels to convert.
    """
    sequences = {number: labels for number, item in enumerate(items) if (labels := _labels(item)) is not None}
    if not sequences:
        _require_no_settings(items, outside, scheme)
        return Tags(items)
    read = _from_brackets(sequences)
    counts = Counter(chain.from_iterable(read.values()))
    names, notes = _outside_names(counts, outside)
    notes += (_BRACKETS_NOTE,) if read is not sequences else ()
    renamed, spelling = _respelled([label for label in counts if not _may_be_outside(label, outside)], scheme)
    names |= renamed
    written = {number: [names.get(label, label) for label in labels] for number, labels in read.items()}
    counts = Counter(chain.from_iterable(written.values()))
    if scheme is not None:
        written = _converted(written, counts, scheme)
        notes += (f"labels are converted from {scheme.upper()} to IOB2 (data.scheme)",)
    notes += (*spelling, *_warnings(items, written, counts))
    changed = [number for number in sequences if written[number] != sequences[number]]
    if not changed:
        return Tags(items, notes)
    canonical = list(items)
    for number in changed:
        canonical[number] = {**items[number], "labels": written[number]}
    return Tags(canonical, notes, True)


def _labels(item: Item) -> list[str] | None:
    """Return an item's labels if it has words and every label is text; anything else is for the task to refuse."""
    words, labels = item.get("words"), item.get("labels")
    if not isinstance(words, list | tuple) or not isinstance(labels, list | tuple):
        return None
    return list(labels) if all(isinstance(label, str) for label in labels) else None


_BRACKET = re.compile(r"(?:\((?P<type>[^()*]+))?\*?(?P<end>\))?")
_BRACKETS_NOTE = "labels in brackets, such as '(DATE*' and '*)', are read as tags, B-DATE and I-DATE"


def _from_brackets(sequences: Mapping[int, list[str]]) -> Mapping[int, list[str]]:
    """Return IOB2 tags for labels in brackets, as CoNLL-2005 and 2012 write them; other labels as they are.

    `(X*` opens an entity, `*` goes on, `*)` closes it, `(X)` is one word; brackets within brackets are left alone.
    """
    labels = set(chain.from_iterable(sequences.values()))
    if not any(label.startswith("(") for label in labels) or not all(map(_is_bracket, labels)):
        return sequences
    tags = {number: _unbracketed(written) for number, written in sequences.items()}
    read = {number: written for number, written in tags.items() if written is not None}
    return read if len(read) == len(tags) else sequences


def _is_bracket(label: str) -> bool:
    return label != "" and label != ")" and _BRACKET.fullmatch(label) is not None


def _unbracketed(labels: Sequence[str]) -> list[str] | None:
    """Return the tags of one sentence; None where brackets do not open and close in turn."""
    tags: list[str] = []
    inside: str | None = None
    for label in labels:
        match = _BRACKET.fullmatch(label)
        opened, closes = (match["type"], match["end"]) if match else (None, None)
        if (opened and inside) or (closes and not (opened or inside)):
            return None
        tags.append(f"B-{opened}" if opened else f"I-{inside}" if inside else OUTSIDE)
        inside = None if closes else opened or inside
    return tags if inside is None else None


def _require_no_settings(items: Sequence[Item], outside: str | None, scheme: str | None) -> None:
    name = "outside" if outside is not None else "scheme"
    labelled = any(item.get("label") is not None or item.get("labels") is not None for item in items)
    if (outside is not None or scheme is not None) and labelled:
        raise DataError(f"data.{name} is for data with one label per word; these items have none: remove the key")


def _outside_names(counts: Mapping[str, int], outside: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    if outside is None or outside == OUTSIDE:
        return {}, ()
    if outside not in counts:
        raise DataError(f"data.outside: no word has the label {outside!r}; there are: {_listed(sorted(counts))}")
    note = f"the label {outside!r} ({_words(counts[outside])}) is read as {OUTSIDE}, outside (data.outside)"
    return {outside: OUTSIDE}, (note,)


def _may_be_outside(label: str, outside: str | None) -> bool:
    return label in (OUTSIDE, outside) or _looks_outside(label)


def _looks_outside(label: str) -> bool:
    return label.strip().casefold() in _LOOK_OUTSIDE


def _respelled(labels: Sequence[str], scheme: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the canonical name of each label that is a tag in another spelling, and what to say about it."""
    if not labels or all(_TAG.fullmatch(label) for label in labels):
        return {}, ()
    for form in _FORMS:
        matches = {label: form.fullmatch(label) for label in labels}
        tags = {label: (match["position"], match["type"]) for label, match in matches.items() if match}
        if len(tags) < len(labels):
            continue
        example, (position, kind) = next(iter(tags.items()))
        if not _are_tags(list(tags.values()), scheme):
            unsure = f"labels such as {example!r} are read as plain classes: {_UNSURE}"
            return {}, (unsure,) if position.isupper() else ()
        names = {label: f"{position.upper()}-{kind}" for label, (position, kind) in tags.items()}
        return names, (f"labels such as {example!r} are read as tags such as '{position.upper()}-{kind}'",)
    return {}, ()


def _forms() -> Iterator[re.Pattern[str]]:
    for positions in (_POSITIONS, _POSITIONS.lower()):
        for separator in "-_:/|.":
            between = re.escape(separator)
            yield re.compile(rf"(?P<position>[{positions}]){between}(?P<type>.+)")
            yield re.compile(rf"(?P<type>.+){between}(?P<position>[{positions}])")


_FORMS = tuple(_forms())
_UNSURE = (
    "no type has both a label that begins (B) and one that continues (I); if they are tags, write them as B-X, I-X"
)


def _are_tags(tags: Sequence[Tag], scheme: str | None) -> bool:
    """Return whether positions of these letters mean an entity's parts, not, say, a part of speech called NN-B."""
    upper = {(position.upper(), kind) for position, kind in tags}
    if scheme is not None:
        return {position for position, _ in upper} <= set(SCHEMES[scheme])
    begun = {kind for position, kind in upper if position == "B"}
    return any(position in "IM" and kind in begun for position, kind in upper)


def _tag(label: str) -> Tag | None:
    """Return a canonical label's position, by its IOBES name, and type; None for a label that is not a tag."""
    if label == OUTSIDE:
        return "", ""
    match = _TAG.fullmatch(label)
    return (_IOBES.get(match[1], match[1]), match[2]) if match else None


def _converted(written: Mapping[int, list[str]], counts: Mapping[str, int], scheme: str) -> dict[int, list[str]]:
    """Return the labels in IOB2: an entity begins where conlleval finds it, which all of SCHEMES agree on."""
    plain = [label for label in counts if _tag(label) is None]
    if plain:
        raise DataError(
            f"data.scheme: {scheme} needs labels such as I-X and {OUTSIDE}, not {_listed(plain)}; "
            "name the label of words outside every entity in data.outside, or remove data.scheme"
        )
    other = {label[0] for label in counts if label != OUTSIDE} - set(SCHEMES[scheme])
    if other:
        raise DataError(
            f"data.scheme: {scheme} has no labels that begin with {_listed(sorted(other))}: correct the key"
        )
    return {number: _iob2(labels) for number, labels in written.items()}


def _iob2(labels: Sequence[str]) -> list[str]:
    """Return IOB2 tags: `B-` where an entity begins, `I-` where it continues."""
    canonical: list[str] = []
    previous: Tag = ("", "")
    for label in labels:
        tag = _tag(label) or ("", "")
        canonical.append(f"{'B' if _begins(previous, tag) else 'I'}-{tag[1]}" if tag[0] else label)
        previous = tag
    return canonical


def _begins(previous: Tag, tag: Tag) -> bool:
    """Return whether a tag that is not outside begins an entity (conlleval)."""
    return tag[0] in "BS" or previous[0] in ("", "E", "S") or previous[1] != tag[1]


def _warnings(items: Sequence[Item], written: Mapping[int, list[str]], counts: Counter[str]) -> tuple[str, ...]:
    plain = [label for label in counts if _tag(label) is None]
    suspect = _suspect(counts, plain)
    others = [label for label in plain if label != suspect]
    notes = _mixed_warnings(counts, others) if others else _entity_warnings(items, written)
    if suspect is None:
        return notes
    share = f"{counts[suspect]:,} of {_words(counts.total())}"
    remedy = f"data: {{outside: {json.dumps(suspect, ensure_ascii=False)}}}"
    return (f"the label {suspect!r} ({share}) is scored as a class; if it means outside, write {remedy}", *notes)


def _suspect(counts: Counter[str], plain: Sequence[str]) -> str | None:
    """Return the label that seems to mean outside although it is not `O`; None without one."""
    alone = plain[0] if len(plain) == 1 and any(label[:2] in ("B-", "I-") for label in counts) else None
    if OUTSIDE in counts:
        return alone if alone in ("0", "o") else None
    frequent = counts.most_common(1)[0][0] if counts else OUTSIDE
    return frequent if _looks_outside(frequent) else alone


def _mixed_warnings(counts: Mapping[str, int], plain: Sequence[str]) -> tuple[str, ...]:
    """Return a warning if most labels are tags, or positions without a type, so that span F1 was probably meant."""
    if {"B", "I"} <= set(plain) <= set(_POSITIONS):
        return (f"the labels {_listed(sorted(plain))} name no type, so there is no span F1; write them as B-X, I-X",)
    tags = [label for label in counts if label != OUTSIDE and label not in plain]
    if len(tags) <= len(plain) or not any(label.startswith("B-") for label in tags):
        return ()
    return (f"there is no span F1, because not every label is a tag such as {tags[0]}: correct {_listed(plain)}",)


def _entity_warnings(items: Sequence[Item], written: Mapping[int, list[str]]) -> tuple[str, ...]:
    """Return a warning about entities that are not well-formed in IOB2 or IOBES: strict span F1 does not see them."""
    tags = {label: _tag(label) or ("", "") for label in set(chain.from_iterable(written.values()))}
    positions = {position for position, _ in tags.values() if position}
    well_formed = re.compile("S|BI*E" if positions & {"E", "S"} else "BI*")
    entities = [
        (number, entity)
        for number, labels in written.items()
        for entity in _entities([tags[label] for label in labels])
    ]
    broken = [(number, entity) for number, entity in entities if not well_formed.fullmatch(entity)]
    if not broken:
        return ()
    counted = f"{len(broken):,} of {len(entities):,} entities are not well-formed in {_scheme_name(positions)}"
    if 2 * len(broken) <= len(entities):
        return (f"{counted} (the first in item {items[broken[0][0]].get('id')!r}): strict span F1 leaves them out",)
    return (f"{counted}, so that strict span F1 is wrong: {_remedy(positions)}",)


def _entities(tags: Sequence[Tag]) -> Iterator[str]:
    """Yield the positions of each entity, as conlleval finds it."""
    entity, previous = "", ("", "")
    for tag in tags:
        if not tag[0] or _begins(previous, tag):
            if entity:
                yield entity
            entity = ""
        entity += tag[0]
        previous = tag
    if entity:
        yield entity


def _scheme_name(positions: set[str]) -> str:
    return "IOBES" if positions & {"E", "S"} else "IOB2"


def _remedy(positions: set[str]) -> str:
    if positions <= {"I", "B"}:
        names = "IOB1" if "B" in positions else "IOB1 or IO"
        return f"they begin with I-, as in {names}; write data: {{scheme: iob1}}"
    if positions <= {"I", "E"}:
        return "they end with E- and begin with I-, as in IOE2; write data: {scheme: ioe2}"
    return "correct the labels"


def _words(count: int) -> str:
    return f"{count:,} word" + ("" if count == 1 else "s")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
