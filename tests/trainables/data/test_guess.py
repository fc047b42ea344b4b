"""From the columns of a file follow the task that its rows are for, and which column is which field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainables.data.guess import Guess, cluster_column, guesses, id_column, look

TEXTS = ["a good film", "a bad film", "a dull plot", "a fine story"]


def seen_in(folder: Path, **columns: list[Any]) -> list[Guess]:
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return guesses(look(path))


def taken(found: list[Guess]) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    return [(guess.fields, dict(guess.columns)) for guess in found]


CLASSES, LABELS = ("text", "label"), ("text", "labels")
WORDS, QUESTIONS = ("words", "labels"), ("question", "context", "answers")


@pytest.mark.parametrize("text", ["text", "sentence", "review", "Tweet", "content", "Review Text"])
@pytest.mark.parametrize("label", ["label", "sentiment", "class", "Category", "target"])
def test_a_text_with_a_class_is_classified(tmp_path: Path, text: str, label: str) -> None:
    renamed = {name: column for name, column in (("text", text), ("label", label)) if name != column}
    found = seen_in(tmp_path, **{"id": [1, 2, 3, 4], text: TEXTS, label: ["neg", "pos", "neg", "pos"]})
    assert taken(found) == [(CLASSES, renamed)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("#1 String", "#2 String")],
)
def test_two_texts_with_a_class_are_a_pair(tmp_path: Path, one: str, other: str) -> None:
    found = seen_in(tmp_path, **{one: TEXTS, other: TEXTS[::-1], "gold_label": ["yes", "no", "no", "yes"]})
    assert taken(found) == [(CLASSES, {"text": one, "text_pair": other, "label": "gold_label"})]


def test_a_column_named_text_pair_needs_no_mapping(tmp_path: Path) -> None:
    assert taken(seen_in(tmp_path, text=TEXTS, text_pair=TEXTS, label=[0, 1, 0, 1])) == [(CLASSES, {})]


@pytest.mark.parametrize(
    "labels",
    [
        [["joy"], [], ["joy", "fear"], ["fear"]],
        ["joy", "", "joy|fear", "fear"],
        ["['joy']", "[]", "['joy', 'fear']", "[]"],
    ],
    ids=["lists", "bars", "lists in text"],
)
def test_several_labels_per_text_are_multi_label_and_one_label_the_alternative(
    tmp_path: Path, labels: list[Any]
) -> None:
    found = seen_in(tmp_path, text=TEXTS, emotions=labels)
    assert taken(found) == [(LABELS, {"labels": "emotions"}), (CLASSES, {"label": "emotions"})]


def test_a_comma_separates_labels_only_in_a_column_whose_name_says_several(tmp_path: Path) -> None:
    cells = ["food, drink", "drink", "food", "food"]
    assert taken(seen_in(tmp_path, text=TEXTS, topics=cells))[0] == (LABELS, {"labels": "topics"})
    assert taken(seen_in(tmp_path, text=TEXTS, category=cells)) == [(CLASSES, {"label": "category"})]


def test_lists_of_one_label_are_a_class_and_several_labels_the_alternative(tmp_path: Path) -> None:
    found = seen_in(tmp_path, text=TEXTS, label=[["neg"], ["pos"], ["neg"], ["pos"]])
    assert taken(found) == [(CLASSES, {}), (LABELS, {"labels": "label"})]


def test_columns_of_zeros_and_ones_are_labels(tmp_path: Path) -> None:
    found = seen_in(tmp_path, id=[1, 2, 3, 4], comment_text=TEXTS, toxic=[0, 1, 0, 1], insult=[0, 0, 0, 1])
    assert taken(found) == [(LABELS, {"text": "comment_text", "labels": ("toxic", "insult")})]


@pytest.mark.parametrize(("word", "tag"), [("tokens", "ner_tags"), ("words", "labels"), ("words", "tags")])
def test_lists_of_words_and_tags(tmp_path: Path, word: str, tag: str) -> None:
    found = seen_in(tmp_path, **{word: [["a", "film"], ["a", "plot"]], tag: [["O", "X"], ["O", "X"]]})
    renamed = {name: column for name, column in (("words", word), ("labels", tag)) if name != column}
    assert taken(found) == [(WORDS, renamed)]


def test_a_word_per_row_needs_its_sentence(tmp_path: Path) -> None:
    columns = {"word": ["a", "film", "a", "plot"], "tag": ["O", "X", "O", "X"]}
    found = seen_in(tmp_path, **{"Sentence #": [1, 1, 2, 2], **columns})
    assert taken(found) == [(WORDS, {"words": "word", "labels": "tag", "sentence_id": "Sentence #"})]
    assert seen_in(tmp_path, **columns) == []


def test_texts_with_spans_are_words(tmp_path: Path) -> None:
    spans = [[[2, 6, "X"]], [], [], [[2, 6, "Y"]]]
    assert taken(seen_in(tmp_path, text=TEXTS, label=spans)) == [(WORDS, {})]
    named = [[{"start": 2, "end": 6, "label": "X"}], [], [], []]
    assert taken(seen_in(tmp_path, content=TEXTS, entities=named)) == [(WORDS, {"text": "content"})]


def test_questions_with_contexts_and_answers(tmp_path: Path) -> None:
    answers = [{"text": ["a"], "answer_start": [0]}] * 4
    assert taken(seen_in(tmp_path, question=TEXTS, context=TEXTS, answers=answers)) == [(QUESTIONS, {})]
    found = seen_in(tmp_path, query=TEXTS, passage=TEXTS, answer=["a"] * 4, answer_start=[0] * 4)
    assert taken(found)[0] == (QUESTIONS, {"question": "query", "context": "passage"})
    paragraphs = [[{"context": "a", "qas": []}]]
    assert taken(seen_in(tmp_path, title=["T"], paragraphs=paragraphs)) == [(QUESTIONS, {})]


def test_conll_is_seen_by_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a O\nfilm B-X\n\na O\nplot B-X\n\n")
    assert taken(guesses(look(path))) == [(WORDS, {})]


def test_columns_whose_names_say_nothing_are_judged_by_what_they_hold(tmp_path: Path) -> None:
    found = seen_in(tmp_path, v1=["ham", "spam", "ham", "ham"], v2=TEXTS)
    assert taken(found) == [(CLASSES, {"text": "v2", "label": "v1"})]


def test_texts_alone_fit_no_task(tmp_path: Path) -> None:
    assert seen_in(tmp_path, text=TEXTS) == []
    assert seen_in(tmp_path, a=TEXTS, b=TEXTS) == []


def test_a_column_that_repeats_may_be_a_cluster_and_a_distinct_one_an_id(tmp_path: Path) -> None:
    seen_in(tmp_path, text=TEXTS, label=[0, 1, 0, 1], user_id=[1, 1, 2, 2], guid=["a", "b", "c", "d"])
    seen = look(tmp_path / "d.jsonl")
    assert (cluster_column(seen, {"text", "label"}), id_column(seen)) == ("user_id", "guid")
    assert cluster_column(seen, {"user_id"}) is None
    seen_in(tmp_path, text=TEXTS, label=[0, 1, 0, 1], user_id=[1, 2, 3, 4], guid=["a", "a", "c", "d"])
    seen = look(tmp_path / "d.jsonl")
    assert (cluster_column(seen, set()), id_column(seen)) == (None, None)


@pytest.mark.parametrize(("one", "other"), [("question", "passage"), ("context", "hypothesis")])
def test_a_passage_or_a_context_beside_a_text_is_not_dropped(tmp_path: Path, one: str, other: str) -> None:
    seen = seen_in(tmp_path, **{one: TEXTS, other: TEXTS[::-1], "label": ["yes", "no", "no", "yes"]})
    assert taken(seen) == [(CLASSES, {"text": one, "text_pair": other})]


def test_the_first_row_of_a_table_without_header_is_an_item(tmp_path: Path) -> None:
    path = tmp_path / "d.tsv"
    path.write_text("ham\tGo until June\nspam\tFree entry now\nham\tSee you there\n", encoding="utf-8")
    seen = look(path)
    assert not seen.has_header
    assert seen.columns == {"1": ["ham", "spam", "ham"], "2": ["Go until June", "Free entry now", "See you there"]}
    assert taken(guesses(seen)) == [(CLASSES, {"text": "2", "label": "1"})]


def test_a_usual_name_is_a_header_although_it_occurs_below(tmp_path: Path) -> None:
    path = tmp_path / "d.tsv"
    path.write_text("text\tspam\nGo until June\tham\nFree entry now\tspam\n", encoding="utf-8")
    assert look(path).has_header


def test_numbers_with_commas_between_are_several_labels(tmp_path: Path) -> None:
    seen = seen_in(tmp_path, c1=TEXTS, c2=["27", "2,5", "27", "2,5"])
    assert [fields for fields, _ in taken(seen)] == [LABELS, CLASSES]
