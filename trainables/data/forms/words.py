"""Makes items of words and labels from the forms that tables give them: lists, one row per word, words in one text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError, Item
from trainables.data.forms.cells import is_list, parsed_list
from trainables.data.how_read import HowRead, ReadOptions, Row

SENTENCE = "sentence_id"
KNOWN_KEYS = ("sentence_id", "sentence_idx", "sent_id", "Sentence #", "sentence", "sentence_number", "sid")
_WORDS, _LABELS = "words", "labels"


def word_items(path: Path, rows: Iterator[Row], options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield items with `words` and `labels` as lists; rows that hold a word each are joined into sentences.

    A cell can be a list (JSON, Python's or NumPy's form). Text is one word of the sentence that `sentence_id` (or
    `id`) names, or, if words and labels are equally many in every row, words with blanks between. The whole column
    decides. Raises DataError with row and remedy.
    """
    first = next(rows, None)
    if first is None:
        return
    rows = itertools.chain([first], rows)
    if not isinstance(first[1].get(_WORDS), str):
        yield from ((number, _with_lists(path, number, row)) for number, row in rows)
        return
    table = list(rows)
    key = _sentence_key(table, options, how)
    if 2 * sum(is_list(str(row.get(_WORDS))) for _, row in table) > len(table):
        yield from ((number, _with_lists(path, number, row)) for number, row in table)
    elif _is_joined(table, key):
        how.remarks.append("words and labels stand in one text each, with blanks between them")
        how.changed = how.changed or key is not None
        yield from ((number, _with_lists(path, number, row, _split)) for number, row in table)
    elif key is None or _is_mostly_joined(table, key):
        raise DataError(_unclear(path, table))
    else:
        yield from _sentences(path, table, key, how)


def _with_lists(path: Path, number: int, row: Item, parse: Callable[[str], list[Any]] = parsed_list) -> Item:
    """Return the row with text of `words` and `labels` parsed into lists."""
    parsed = dict(row)
    for field in (_WORDS, _LABELS):
        if isinstance(row.get(field), str):
            try:
                parsed[field] = parse(row[field])
            except ValueError as error:
                reason = f"{field} {error}; give a list, or one word per row and a {SENTENCE} column"
                raise DataError(f"{path}: row {number}: {reason}") from error
    return parsed


def _split(cell: str) -> list[Any]:
    return parsed_list(cell) if is_list(cell) else cell.split()


def _sentence_key(table: Sequence[Row], options: ReadOptions, how: HowRead) -> str | None:
    """Return the column whose equal neighbours form a sentence: the one the user names, else `sentence_id`, `id`.

    Of both, `id` is taken only where it joins rows and `sentence_id` does not.
    """
    names = table[0][1]
    named = next((name for name in (SENTENCE, "id") if name in options.columns), None)
    if named is not None:
        how.changed = how.changed or (named == SENTENCE and "id" in names)
        return named
    if SENTENCE in names and "id" in names:
        chosen = "id" if _joins(table, "id") and not _joins(table, SENTENCE) else SENTENCE
        how.changed = how.changed or chosen == SENTENCE
        return chosen
    return next((name for name in (SENTENCE, "id") if name in names), None)


def _joins(table: Sequence[Row], key: str) -> bool:
    return any(one[1].get(key) == other[1].get(key) for one, other in itertools.pairwise(table))


def _is_joined(table: Sequence[Row], key: str | None) -> bool:
    """Return whether each row is a sentence: its words and its labels, equally many, in one text each."""
    if key is not None and _joins(table, key):
        return False
    counts = [_counts(row) for _, row in table]
    return any(words > 1 for words, _ in counts) and all(words == labels for words, labels in counts)


def _is_mostly_joined(table: Sequence[Row], key: str) -> bool:
    """Return whether rows look like sentences, most with a label for each of several words, but for a few."""
    if _joins(table, key):
        return False
    several = [(words, labels) for words, labels in (_counts(row) for _, row in table) if words > 1]
    return 2 * sum(words == labels for words, labels in several) > len(several)


def _counts(row: Item) -> tuple[int, int]:
    """Return how many words and labels a row's texts hold; without labels, both are the number of words."""
    words = len(str(row.get(_WORDS)).split())
    if _LABELS not in row:
        return words, words
    labels = row[_LABELS]
    if isinstance(labels, list | tuple):
        return words, len(labels)
    try:
        return words, len(_split(str(labels)))
    except ValueError:
        return words, -1


def _unclear(path: Path, table: Sequence[Row]) -> str:
    """Return why text in `words` is neither a list, nor a sentence, nor a word of one."""
    for number, row in table:
        words, labels = _counts(row)
        if words != labels:
            counts = f"words holds {words} words but labels holds {max(labels, 1)}"
            return f"{path}: row {number}: {counts}; {_REMEDY}{_candidates(row)}"
    reason = f"words is {str(table[0][1].get(_WORDS))[:60]!r}, neither a list nor a word of a known sentence"
    return f"{path}: row {table[0][0]}: {reason}; {_REMEDY}{_candidates(table[0][1])}"


_REMEDY = f"give lists, or one word per row and a {SENTENCE} column"


def _candidates(row: Item) -> str:
    names = [name for name in row if name in KNOWN_KEYS and name != SENTENCE]
    return f" (`data: {{columns: {{{SENTENCE}: {names[0]!r}}}}}`?)" if names else ""


def _sentences(path: Path, table: Sequence[Row], key: str, how: HowRead) -> Iterator[Row]:
    rows = list(_filled(path, table, key, how))
    if len(rows) > 1 and not _joins(rows, key):
        other = _candidates(rows[0][1])
        how.notes.append(f"every item is a single word: {key!r} differs from row to row{other}")
    for identity, group in itertools.groupby(rows, lambda row: row[1].get(key)):
        words = list(group)
        number, first = words[0]
        if how.part is not None and any(row.get(how.part) != first.get(how.part) for _, row in words):
            raise DataError(f"{path}: row {number}: the words of sentence {identity!r} are in several parts")
        sentence: Item = {"id": identity}
        for field in ("cluster", how.part):
            if field is not None and first.get(field) is not None:
                sentence[field] = first[field]
        for field in (_WORDS, _LABELS):
            if field in first:
                sentence[field] = [_text(path, line, field, row.get(field)) for line, row in words]
        yield number, sentence


def _filled(path: Path, table: Iterable[Row], key: str, how: HowRead) -> Iterator[Row]:
    """Yield the rows; one that names no sentence belongs to the sentence above it."""
    last: Any = None
    filled = 0
    for number, row in table:
        value = row.get(key)
        if value is None or value == "" or value != value:
            if last is None:
                raise DataError(f"{path}: row {number}: {key} is empty, and no row above it names a sentence")
            filled += 1
            yield number, {**row, key: last}
            continue
        last = value
        yield number, row
    if filled:
        how.remarks.append(f"{filled} rows without a sentence id belong to the sentence above them")


def _text(path: Path, number: int, field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"{path}: row {number}: {field} must be text, got {value!r}")
    return value
