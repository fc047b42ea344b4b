"""Reads CoNLL files: one word per line with its label, an empty line between sentences; also CoNLL-U and GermEval.

What a line means is decided by the whole file: cells are separated by tabs if most lines have tabs, else by blanks;
every line must have as many cells as the others; a first column that counts the words is not a word.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions, Row
from trainables.data.readers.text import lines, refuse_old_line_ends

UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")  # of CoNLL-U
_UPOS = 3
_WORD_NAMES = frozenset({"word", "words", "token", "tokens", "form", "text"})
_NUMBER = re.compile(r"\d+([-.]\d+)?")
_BLANKS = re.compile(r"[ \t]+")
_TAG = re.compile(r"[OBIESLUM]|[BIESLUM][-_].+|.+[-_][BIESLUM]")
_SENTENCE_ID = re.compile(r"#\s*sent_id\s*=\s*(.+)")
_MOSTLY = 0.9  # share of the sentences that begin with a `#` line above which these lines are comments


class _Line(NamedTuple):
    """A line of a sentence; `sentence` counts from 0, `first` marks a sentence's first line, comments included.

    `marked` lines begin with `#`.
    """

    number: int
    text: str
    cells: list[str]
    sentence: int
    first: bool
    marked: bool


@dataclass(frozen=True)
class _Layout:
    """What the columns are: `width` cells per line, separated by `delimiter` (None: any number of blanks)."""

    delimiter: str | None
    width: int
    numbered: bool = False
    word: int = 0
    label: int | None = -1
    declared: bool = False


def read_conll(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield one row per sentence with `words` and `labels`, and `id` if every sentence has a `sent_id` of its own.

    Raises DataError for a file whose lines do not have the same number of cells, or whose columns are unclear.
    """
    texts = list(lines(path, options, how))
    if len(texts) == 1:
        refuse_old_line_ends(path, texts[0][1])
    delimiter = _delimiter([text for _, text in texts], options)
    all_lines = list(_split(texts, delimiter))
    plain = [line for line in all_lines if not line.marked] or all_lines
    if not plain:
        return
    layout = _layout(path, plain, delimiter, options, how.format == "conllu")
    header = _header(path, plain, layout, options)
    body = [line for line in plain if line is not header]
    if not body:
        raise DataError(f"{path}: there is a header and no line below it")
    layout = _with_columns(path, body, layout, header, options)
    comments = _comments(all_lines, body, layout)
    _describe(how, layout, header, comments)
    ids = _sentence_ids(comments) if layout.numbered else {}
    skipped = {line.number for line in (*comments, *([header] if header else []))}
    yield from _sentences(path, [line for line in all_lines if line.number not in skipped], layout, ids, how)


def looks_like_conll(texts: Sequence[str]) -> bool:
    """Return whether lines from the start of a file are words with labels: short lines, and empty ones between them."""
    rows = _split(enumerate(texts, start=1), _delimiter(texts, ReadOptions()))
    plain = [line for line in rows if not line.marked]
    if len(plain) < 2 or plain[-1].sentence == 0:
        return any(text.startswith("-DOCSTART-") for text in texts)
    width, count = Counter(len(line.cells) for line in plain).most_common(1)[0]
    return 2 <= width <= 20 and count >= _MOSTLY * len(plain)


def _split(texts: Iterable[tuple[int, str]], delimiter: str | None) -> Iterator[_Line]:
    """Yield the lines of all sentences with their cells; empty lines and -DOCSTART- end a sentence."""
    sentence, first = 0, True
    for number, text in texts:
        if not text.strip() or text.startswith("-DOCSTART-"):
            sentence, first = sentence + (not first), True
            continue
        marked = text.lstrip(" ").startswith("#")
        yield _Line(number, text, _cells(text, delimiter), sentence, first, marked)
        first = False


def _cells(text: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return _BLANKS.split(text.strip(" \t"))
    return [cell.strip(" ") for cell in text.split(delimiter)]


def _delimiter(texts: Sequence[str], options: ReadOptions) -> str | None:
    """Return what separates cells: as the user says, tabs if most lines have them, else None: blanks."""
    if options.delimiter is not None:
        return None if options.delimiter == " " else options.delimiter
    plain = [text for text in texts if text.strip() and not text.startswith(("#", "-DOCSTART-"))]
    return "\t" if 2 * sum("\t" in text for text in plain) > len(plain) else None


def _layout(
    path: Path, plain: Sequence[_Line], delimiter: str | None, options: ReadOptions, universal: bool
) -> _Layout:
    widths = Counter(len(line.cells) for line in plain)
    width = max(widths, key=lambda count: (widths[count], count))
    numbered = width > 2 and _counts_words(plain)
    if width < 2 and (not options.fields or "labels" in options.fields):
        first = plain[0]
        raise DataError(
            f"{path}: row {first.number}: a CoNLL line needs a word and a label, got {first.text[:60]!r}; "
            "set data.delimiter if something else than tabs or blanks separates them"
        )
    return _Layout(delimiter, width, numbered or universal)


def _counts_words(plain: Sequence[_Line]) -> bool:
    """Return whether the first cells count the words from 0 or 1, in each sentence or through the whole file."""
    if not all(_NUMBER.fullmatch(line.cells[0]) for line in plain):
        return False
    words = [(line.sentence, int(line.cells[0])) for line in plain if line.cells[0].isdecimal()]
    if len(words) < 2 or words[0][1] not in (0, 1):
        return False
    first = words[0][1]
    in_file = all(number == first + index for index, (_, number) in enumerate(words))
    return in_file or all(
        number == (first if sentence != before else previous + 1)
        for (before, previous), (sentence, number) in itertools.pairwise([(-1, 0), *words])
    )


def _header(path: Path, plain: Sequence[_Line], layout: _Layout, options: ReadOptions) -> _Line | None:
    """Return the line that names the columns, if there is one: as the user says, else recognised."""
    first = plain[0]
    cells = first.cells
    if options.header is not None:
        return first if options.header else None
    named = [name for field, name in options.columns.items() if isinstance(name, str) and name != field]
    if named and not layout.numbered and all(name in cells for name in named):
        return first
    known = any(cell.lower() in _WORD_NAMES for cell in cells) and len(set(cells)) == len(cells)
    others = {line.cells[-1] for line in plain[1:]}
    return first if known and others and cells[-1] not in others and not _TAG.fullmatch(cells[-1]) else None


def _with_columns(
    path: Path, body: Sequence[_Line], layout: _Layout, header: _Line | None, options: ReadOptions
) -> _Layout:
    unknown = [field for field in options.columns if field not in ("words", "labels")]
    if unknown:
        raise DataError(f"data.columns: a CoNLL file has words and labels, no {unknown[0]}")
    names: Sequence[str] = () if header is None else header.cells
    if header is None and layout.numbered and layout.width == len(UNIVERSAL):
        names = UNIVERSAL
    chosen = {
        field: _index(path, field, written, names, layout.width)
        for field, written in options.columns.items()
        if written != field or field in names
    }
    word = chosen.get("words", 1 if layout.numbered else 0)
    label = chosen.get("labels", None if layout.width < 2 else _default_label(body, layout, word))
    if layout.width > 2 and "words" not in chosen:
        _require_words(path, body, layout, word)
    return _Layout(layout.delimiter, layout.width, layout.numbered, word, label, {"words", "labels"} <= set(chosen))


def _index(path: Path, field: str, written: object, names: Sequence[str], width: int) -> int:
    if isinstance(written, int) and not isinstance(written, bool) and 1 <= abs(written) <= width:
        return written - 1 if written > 0 else width + written
    lowered = [name.lower() for name in names]
    if isinstance(written, str) and (written in names or written.lower() in lowered):
        return list(names).index(written) if written in names else lowered.index(written.lower())
    known = f"1 to {width}" + (f", or one of {', '.join(names)}" if names else "")
    raise DataError(f"data.columns.{field}: {path} has no column {written!r}; give a number from {known}")


def _default_label(body: Sequence[_Line], layout: _Layout, word: int) -> int:
    """Return the last column; where words are counted, UPOS of CoNLL-U, else the first column of tags."""
    if not layout.numbered:
        return layout.width - 1
    if layout.width == len(UNIVERSAL):
        return _UPOS
    rows = [line.cells for line in body if len(line.cells) == layout.width]
    tags = (column for column in range(word + 1, layout.width) if all(_TAG.fullmatch(row[column]) for row in rows))
    return next(tags, layout.width - 1)


def _require_words(path: Path, body: Sequence[_Line], layout: _Layout, word: int) -> None:
    rows = [line for line in body if len(line.cells) > word]
    different = {line.cells[word] for line in rows}
    if len(rows) > 3 and (len(different) == 1 or _is_of_sentences(rows, word)):
        where = "in every row" if len(different) == 1 else "and others, each in every row of a sentence"
        raise DataError(
            f"{path}: column {word + 1} is {rows[0].cells[word]!r} {where}, so it is not the word; "
            "say which columns to read, e.g. `data: {columns: {words: 4, labels: 11}}`"
        )


def _is_of_sentences(rows: Sequence[_Line], word: int) -> bool:
    """Return whether a column has one value per sentence, as the names of documents in CoNLL-2012 do."""
    sentences = [
        [line.cells[word] for line in group] for _, group in itertools.groupby(rows, lambda line: line.sentence)
    ]
    several = [cells for cells in sentences if len(cells) > 1]
    return bool(several) and all(len(set(cells)) == 1 for cells in several)


def _comments(all_lines: Sequence[_Line], body: Sequence[_Line], layout: _Layout) -> list[_Line]:
    """Return the lines that begin with `#` and are no words."""
    if not any(line.marked for line in all_lines):
        return []
    sentences = {line.sentence for line in all_lines}
    begin = sum(line.first and line.marked for line in all_lines)
    mostly = len(sentences) > 1 and begin >= _MOSTLY * len(sentences)
    column = -1 if layout.label is None else layout.label
    labels = {line.cells[column] for line in body if len(line.cells) == layout.width}
    before = True  # whether only comments of this sentence came before
    comments = []
    for line in all_lines:
        before = line.first or before
        if line.marked and _is_comment(line, layout, labels, before and mostly, before, column):
            comments.append(line)
        else:
            before = False
    return comments


def _is_comment(line: _Line, layout: _Layout, labels: set[str], expected: bool, before: bool, column: int) -> bool:
    cells = line.cells
    if layout.numbered:
        return True
    if expected:
        is_word = len(cells) == layout.width and (cells[column] in labels or _TAG.fullmatch(cells[column]))
        return cells[0] == "#" or not is_word
    if len(cells) != layout.width:
        return before or line.text.lstrip(" ")[1:2] in (" ", "\t", "")
    return before and cells[0] == "#" and cells[column] not in labels


def _sentence_ids(comments: Sequence[_Line]) -> dict[int, str]:
    """Return the `sent_id` of each sentence; {} if two are the same."""
    ids = {line.sentence: match[1].strip() for line in comments if (match := _SENTENCE_ID.match(line.text.strip()))}
    return ids if len(set(ids.values())) == len(ids) else {}


def _sentences(path: Path, body: Sequence[_Line], layout: _Layout, ids: dict[int, str], how: HowRead) -> Iterator[Row]:
    whole = {line.sentence for line in body} <= set(ids)
    left_out = 0
    for number, group in itertools.groupby(body, lambda line: line.sentence):
        rows = list(group)
        words: list[str] = []
        labels: list[str] = []
        for line in rows:
            cells = _checked(path, line, layout, len(rows[0].cells))
            if layout.numbered and re.fullmatch(r"\d+[-.]\d+", cells[0]):
                left_out += 1
                continue
            words.append(cells[layout.word])
            labels += [] if layout.label is None else [cells[layout.label]]
            how.changed = how.changed or _reads_otherwise(line.text, words[-1], labels)
        if words:
            own = {"id": ids[number]} if whole else {}
            yield rows[0].number, {**own, "words": words, **({} if layout.label is None else {"labels": labels})}
    if left_out:
        how.remarks.append(f"{left_out} lines of multiword tokens and empty nodes (such as 1-2, 3.1) are left out")


def _reads_otherwise(text: str, word: str, labels: Sequence[str]) -> bool:
    """Return whether the first version of this reader made another word or label of a line: its first and last one."""
    split = text.split()
    return split[0] != word or (bool(labels) and split[-1] != labels[-1])


def _checked(path: Path, line: _Line, layout: _Layout, in_sentence: int) -> list[str]:
    """Return the cells of a line. Raises DataError if they are not as many as in the other lines."""
    cells = line.cells
    while len(cells) > layout.width and not cells[-1]:
        cells.pop()
    usual = in_sentence if layout.declared and in_sentence > max(layout.word, layout.label or 0) else layout.width
    if len(cells) == usual:
        return cells
    if len(cells) < 2 and layout.width > 1:
        raise DataError(f"{path}: row {line.number}: a CoNLL line needs a word and a label, got {line.text[:60]!r}")
    advice = "" if layout.delimiter else "; a word with blanks in it needs tabs between the cells"
    raise DataError(
        f"{path}: row {line.number}: {len(cells)} cells where other lines have {usual}: {line.text[:60]!r}{advice}"
    )


def _describe(how: HowRead, layout: _Layout, header: _Line | None, comments: Sequence[_Line]) -> None:
    how.delimiter = layout.delimiter or " "
    how.header = header is not None
    how.columns["words"] = f"column {layout.word + 1}"
    if layout.label is not None:
        how.columns["labels"] = f"column {layout.label + 1}"
    if layout.numbered and layout.width == len(UNIVERSAL) and layout.label is not None:
        how.columns["labels"] += f" ({UNIVERSAL[layout.label]})"
    if layout.width > 2:
        how.remarks.append(
            f"each line has {layout.width} columns; `data: {{columns: {{labels: N}}}}` takes another one"
        )
    if comments:
        how.remarks.append(f"{len(comments)} comment lines are left out, the first in row {comments[0].number}")
    if header is not None:
        how.remarks.append(f"row {header.number} names the columns: {', '.join(header.cells)}")
    how.changed = how.changed or bool(comments) or header is not None
