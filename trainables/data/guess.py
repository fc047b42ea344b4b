"""Guesses from a file's columns which fields of which kind of task it fills, and which column is which field.

Names decide first (`review` is a text, `sentiment` a label), then what the columns hold. A guess is only that: whoever
uses one reads the file with it, and the task checks the items.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError
from trainables.data.forms.cells import is_list
from trainables.data.forms.labels import SEPARATORS, is_one
from trainables.data.forms.words import KNOWN_KEYS, SENTENCE
from trainables.data.how_read import HowRead, ReadOptions
from trainables.data.readers import format_of, read_rows
from trainables.data.sources.part_names import parts_of

LOOKED_AT = 300  # rows at the start of a file
MOST_CLASSES = 50
HIDDEN = "-"
CLASSES, LABELS = ("text", "label"), ("text", "labels")
WORDS, QUESTIONS = ("words", "labels"), ("question", "context", "answers")
NEEDED: Mapping[tuple[str, ...], str] = {
    CLASSES: "a text (or two: sentence1, sentence2) and one label",
    LABELS: "a text and its labels: lists, `a|b`, or a column of 0 and 1 for each label",
    WORDS: "words with a label each: CoNLL, lists (tokens, ner_tags), a row per word, or texts with spans",
    QUESTIONS: "question, context and answers with answer_start, or SQuAD's own JSON",
}

_TEXTS = (
    *("text", "sentence", "review", "tweet", "content", "comment", "document", "message", "body", "utterance"),
    *("headline", "description", "post", "abstract", "sms", "review_text", "tweet_text", "comment_text", "query"),
    *("question", "title"),
)
_LABELS = (
    *("label", "labels", "gold_label", "sentiment", "class", "category", "target", "intent", "topic", "emotion"),
    *("polarity", "stance", "emotions", "topics", "categories", "classes", "tags", "tag", "rating", "stars", "score"),
    *("label_text", "airline_sentiment", "y"),
)
_SEVERAL = ("labels", "emotions", "topics", "categories", "classes", "tags", "genres")
_PAIRS = (
    *(("text", "text_pair"), ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2")),
    *(("text1", "text2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("s1", "s2"), ("claim", "evidence")),
    *(("#1_string", "#2_string"), ("query", "passage"), ("query", "document"), ("question", "sentence")),
    *(("question", "passage"), ("context", "hypothesis"), ("question", "context")),
)
_WORD_COLUMNS = ("words", "tokens", "word", "token", "form")
_TAG_COLUMNS = ("labels", "ner_tags", "tags", "tag", "ner", "ner_tag", "label", "pos_tags", "pos", "upos", "entity")
_SPAN_COLUMNS = ("spans", "entities", "label", "labels", "annotations", "ents", "tags")
_QUESTIONS, _CONTEXTS = ("question", "query"), ("context", "passage", "paragraph")
_ANSWERS = ("answers", "answer", "answer_text", "answer_start")
_IDS = ("guid", "uid", "uuid", "idx", "index", "item_id", "example_id", "sample_id", "row_id", "tweet_id", "review_id")
_CLUSTERS = (
    *("doc", "doc_id", "document_id", "article", "article_id", "user", "user_id", "author", "author_id", "group"),
    *("group_id", "patient", "patient_id", "speaker", "speaker_id", "thread", "thread_id", "product_id", "title"),
)
_SPLITS = ("split", "part", "set", "subset", "partition", "data_split", "dataset")

Named = str | tuple[str, ...]


@dataclass(frozen=True)
class Guess:
    """The fields of a task that a file fills, and those with another name there. `why` says what spoke for it."""

    fields: tuple[str, ...]
    columns: Mapping[str, Named] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Seen:
    """The first rows of a file: its columns by name, and the format that was recognised.

    `has_header` is False where the first row of a table is an item: its columns are numbered then.
    """

    format: str
    columns: Mapping[str, Sequence[Any]]
    has_header: bool = True

    def named(self, names: Collection[str]) -> Iterator[str]:
        """Yield the columns with one of these names, in the order of the names; case and blanks do not matter."""
        plain: dict[str, str] = {}
        for column in self.columns:
            plain.setdefault(_plain(column), column)
        return (plain[name] for name in names if name in plain)

    def first(self, names: Collection[str]) -> str | None:
        """Return the first column with one of these names."""
        return next(self.named(names), None)


def _plain(column: str) -> str:
    return "_".join(column.strip().lower().replace("-", " ").split())


def is_readable(path: Path) -> bool:
    """Return whether a file's name is that of a known format."""
    try:
        format_of(path)
    except DataError:
        return False
    return True


def look(path: Path) -> Seen:
    """Read the first rows of a file. Raises DataError for a file that cannot be read or holds no rows."""
    seen = _seen(path, ReadOptions(fields=WORDS))
    if seen.format.startswith("conll"):
        return seen
    seen = _seen(path, ReadOptions(fields=CLASSES))
    return _seen(path, ReadOptions(fields=CLASSES, header=False)) if _begins_with_an_item(seen) else seen


def _seen(path: Path, options: ReadOptions) -> Seen:
    how = HowRead(str(path))
    rows = [row for _, row in itertools.islice(read_rows(path, options=options, how=how), LOOKED_AT)]
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    columns = {name: [row.get(name) for row in rows] for name in names if "\0" not in name}
    return Seen(how.format, columns, options.header is not False)


def _begins_with_an_item(seen: Seen) -> bool:
    """Return whether the names of a table are values: one occurs below itself, and none is a usual name."""
    usual = {*_TEXTS, *_LABELS, *_WORD_COLUMNS, *_TAG_COLUMNS, *_IDS, *itertools.chain.from_iterable(_PAIRS)}
    if seen.format not in ("csv", "tsv") or seen.first(usual):
        return False
    return any(name in values for name, values in seen.columns.items())


def guesses(seen: Seen) -> list[Guess]:
    """Return the fields that the columns fill, the likeliest task's first, each in the way that is likeliest."""
    if seen.format.startswith("conll"):
        return [Guess(WORDS, {}, "a word with its label in each line")]
    ways: tuple[Callable[[Seen], Iterator[Guess]], ...]
    ways = (_questions, _words, _spans, _pairs, _texts, _one_hot)
    by_name = [guess for way in ways for guess in way(seen)] or list(_by_content(seen))
    first = {guess.fields: guess for guess in reversed(by_name)}
    return [guess for guess in by_name if guess is first[guess.fields]]


def _questions(seen: Seen) -> Iterator[Guess]:
    if seen.first(("paragraphs", "qas")):
        yield Guess(QUESTIONS, {}, "articles with paragraphs and questions, as in SQuAD")
        return
    question, context = seen.first(_QUESTIONS), seen.first(_CONTEXTS)
    if question and context and seen.first(_ANSWERS):
        yield Guess(QUESTIONS, _renamed(question=question, context=context), "questions with contexts and answers")


def _words(seen: Seen) -> Iterator[Guess]:
    word = seen.first(_WORD_COLUMNS)
    tag = next((name for name in seen.named(_TAG_COLUMNS) if name != word), None)
    if not word or not tag:
        return
    columns = _renamed(words=word, labels=tag)
    if _are_lists(seen, word) or any(len(str(value).split()) > 1 for value in seen.columns[word]):
        yield Guess(WORDS, columns, f"words in {word!r} with a label each in {tag!r}")
        return
    key = seen.first((SENTENCE, *map(_plain, KNOWN_KEYS), "id"))
    if key:
        keyed = {} if key == "id" else _renamed(sentence_id=key)
        yield Guess(WORDS, {**columns, **keyed}, f"a word per row, sentences by {key!r}")


def _spans(seen: Seen) -> Iterator[Guess]:
    text = seen.first(("text", "data", "content", "sentence"))
    for name in seen.named(_SPAN_COLUMNS):
        if text and any(map(_is_span_list, seen.columns[name])):
            yield Guess(WORDS, _renamed(text=text), f"texts with labelled spans in {name!r}")
            return


def _is_span_list(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not value:
        return False
    first = value[0]
    if isinstance(first, Mapping):
        return any(name in first for name in ("start", "start_offset", "begin"))
    return isinstance(first, list | tuple) and len(first) == 3


def _pairs(seen: Seen) -> Iterator[Guess]:
    for names in _PAIRS:
        one, other = (seen.first((name,)) for name in names)
        label = next((name for name in seen.named(_LABELS) if name not in (one, other)), None)
        if one and other and label and _are_classes(seen, label):
            columns = _renamed(text=one, text_pair=other, label=label)
            yield Guess(CLASSES, columns, f"pairs of {one!r} and {other!r} with a label in {label!r}")
            return


def _texts(seen: Seen) -> Iterator[Guess]:
    text = next((name for name in seen.named(_TEXTS) if _are_texts(seen, name)), None)
    label = next((name for name in seen.named(_LABELS) if name != text), None)
    if text is None or label is None or any(map(_is_span_list, seen.columns[label])):
        return
    one = Guess(CLASSES, _renamed(text=text, label=label), f"texts in {text!r} with one label in {label!r}")
    more = Guess(LABELS, _renamed(text=text, labels=label), f"texts in {text!r} with any number of labels in {label!r}")
    if _are_lists(seen, label):
        alone = all(len(value) == 1 for value in seen.columns[label] if isinstance(value, list))
        yield from (one, more) if alone and not _are_text(seen, label) else (more, one)
    elif _are_joined(seen, label):
        yield from (more, one)
    else:
        yield one


def _one_hot(seen: Seen) -> Iterator[Guess]:
    text = next((name for name in seen.named(_TEXTS) if _are_texts(seen, name)), None)
    marks = tuple(name for name in seen.columns if _are_marks(seen, name))
    if text and len(marks) > 1 and seen.first(_LABELS) is None:
        columns: dict[str, Named] = {**_renamed(text=text), "labels": marks}
        yield Guess(LABELS, columns, f"texts in {text!r} and {len(marks)} columns of 0 and 1")


def _by_content(seen: Seen) -> Iterator[Guess]:
    """Yield a guess for columns whose names say nothing: one with texts, and one other with few different values."""
    texts = sorted((name for name in seen.columns if _are_texts(seen, name)), key=lambda name: -_words_in(seen, name))
    others = [
        name for name in seen.columns if name not in texts[:1] and _are_classes(seen, name) and _repeat(seen, name)
    ]
    if len(texts) == 1 and len(others) == 1 and _words_in(seen, texts[0]) > 2:
        why = f"{texts[0]!r} holds texts, and {others[0]!r} few different values"
        if any(map(_are_numbers_of_classes, _filled(seen, others[0]))):
            yield Guess(LABELS, _renamed(text=texts[0], labels=others[0]), f"{why}, some with commas between numbers")
        yield Guess(CLASSES, _renamed(text=texts[0], label=others[0]), why)


def _are_numbers_of_classes(value: Any) -> bool:
    """Return whether a cell holds several numbers with commas between, as GoEmotions writes the labels of a text."""
    numbers = str(value).split(",")
    return len(numbers) > 1 and all(number.strip().isdecimal() for number in numbers)


def split_column(seen: Seen, taken: Collection[str]) -> str | None:
    """Return a column whose values all name parts, such as train and dev, and that is no field of the task."""
    for name in seen.named(_SPLITS):
        values = [value for value in seen.columns[name] if isinstance(value, str)]
        named = parts_of(set(values)).values()
        if name not in taken and len(values) == len(seen.columns[name]) and None not in named:
            return name
    return None


def has_hidden(seen: Seen, guess: Guess) -> bool:
    """Return whether a class column holds `-` beside classes, as SNLI does where annotators did not agree."""
    label = guess.columns.get("label", "label")
    values = seen.columns.get(label, ()) if guess.fields == CLASSES and isinstance(label, str) else ()
    return HIDDEN in values


def cluster_column(seen: Seen, taken: Collection[str]) -> str | None:
    """Return a column whose equal values may mark items that belong together, and that is no field of the task."""
    return next((name for name in seen.named(_CLUSTERS) if name not in taken and _repeat(seen, name)), None)


def id_column(seen: Seen) -> str | None:
    """Return a column that may name each item, where there is no `id`."""
    return (
        None if "id" in seen.columns else next((name for name in seen.named(_IDS) if _are_distinct(seen, name)), None)
    )


def columns_of(guess: Guess) -> set[str]:
    """Return every column that a guess uses."""
    given = guess.columns.values()
    return {name for names in given for name in ((names,) if isinstance(names, str) else names)}


def _renamed(**columns: str) -> dict[str, Named]:
    """Return the fields whose column has another name."""
    return {name: column for name, column in columns.items() if name != column}


def _filled(seen: Seen, name: str) -> list[Any]:
    return [value for value in seen.columns[name] if value is not None and value != ""]


def _are_text(seen: Seen, name: str) -> bool:
    values = _filled(seen, name)
    return bool(values) and all(isinstance(value, str) for value in values)


def _are_texts(seen: Seen, name: str) -> bool:
    """Return whether a column holds texts: most with several words."""
    values = _filled(seen, name)
    return _are_text(seen, name) and sum(len(value.split()) > 1 for value in values) * 2 > len(values)


def _words_in(seen: Seen, name: str) -> float:
    values = _filled(seen, name)
    return sum(len(value.split()) for value in values) / len(values)


def _are_lists(seen: Seen, name: str) -> bool:
    values = _filled(seen, name)
    return bool(values) and all(
        isinstance(value, list | tuple) or (isinstance(value, str) and is_list(value)) for value in values
    )


def _are_joined(seen: Seen, name: str) -> bool:
    """Return whether cells hold several labels with a separator between: always `|`, others by the column's name."""
    values = _filled(seen, name)
    marks = SEPARATORS if _plain(name) in _SEVERAL else SEPARATORS[:1]
    return _are_text(seen, name) and any(mark in value for value in values for mark in marks)


def _are_classes(seen: Seen, name: str) -> bool:
    values = _filled(seen, name)
    plain = all(isinstance(value, str | int | float) for value in values)
    return plain and 1 < len(set(values)) <= MOST_CLASSES


def _repeat(seen: Seen, name: str) -> bool:
    values = [value for value in _filled(seen, name) if isinstance(value, str | int)]
    return 1 < len(set(values)) < len(values)


def _are_distinct(seen: Seen, name: str) -> bool:
    values = seen.columns[name]
    return all(isinstance(value, str | int) and value != "" for value in values) and len(set(values)) == len(values)


def _are_marks(seen: Seen, name: str) -> bool:
    values = _filled(seen, name)
    try:
        return len(values) == len(seen.columns[name]) and len({is_one(value) for value in values}) > 0
    except ValueError:
        return False
