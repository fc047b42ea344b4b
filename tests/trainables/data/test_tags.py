"""Word labels become tags that span metrics read; what is not certain is left alone and said."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.metrics import span_f1_strict
from trainables.data.dataset import DataError
from trainables.data.forms.tags import Tags, normalized


def _items(*sentences: str) -> list[dict[str, Any]]:
    """Items with one word for each label."""
    return [
        {"id": number, "words": ["word"] * len(labels.split()), "labels": labels.split()}
        for number, labels in enumerate(sentences, start=1)
    ]


def _labels(tags: Tags) -> list[str]:
    return [" ".join(item["labels"]) for item in tags.items]


def test_iob2_is_left_as_it_is_without_a_word() -> None:
    items = _items("O B-PER I-PER O B-LOC", "B-LOC B-LOC O")
    assert normalized(items) == Tags(items, (), False)
    assert normalized(items).items is items


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("O B_PER I_PER O B_LOC", "O B-PER I-PER O B-LOC"),
        ("O PER-B PER-I O LOC-B", "O B-PER I-PER O B-LOC"),
        ("O PER_B PER_I O LOC_B", "O B-PER I-PER O B-LOC"),
        ("O B:PER I:PER O B:LOC", "O B-PER I-PER O B-LOC"),
        ("O b-per i-per O b-loc", "O B-per I-per O B-loc"),
        ("O FIRST_NAME-B FIRST_NAME-I O", "O B-FIRST_NAME I-FIRST_NAME O"),
        ("S_LOC O B_PER M_PER E_PER", "S-LOC O B-PER M-PER E-PER"),
    ],
)
def test_another_spelling_of_tags_is_recognised_and_said(written: str, canonical: str) -> None:
    tags = normalized(_items(written))
    assert _labels(tags) == [canonical]
    assert tags.changed
    assert len(tags.notes) == 1
    assert "are read as tags such as" in tags.notes[0]


@pytest.mark.parametrize("labels", ["NN VB NN-B O", "NN-B VB-B O", "NN_B VB_E O", "vitamin_b vitamin_e O", "A B C"])
def test_classes_that_merely_end_in_a_letter_are_left_alone(labels: str) -> None:
    tags = normalized(_items(labels))
    assert _labels(tags) == [labels]
    assert not tags.changed


def test_labels_that_may_be_tags_are_left_alone_and_warned_about() -> None:
    assert normalized(_items("O PER-I PER-I LOC-I")).notes == (
        "labels such as 'PER-I' are read as plain classes: no type has both a label that begins (B) and one that "
        "continues (I); if they are tags, write them as B-X, I-X",
    )


def test_the_outside_label_is_read_as_such_on_request_and_warned_about_without() -> None:
    items = _items("0 B-PER I-PER 0", "0 B-LOC 0")
    asked = normalized(items, outside="0")
    assert _labels(asked) == ["O B-PER I-PER O", "O B-LOC O"]
    assert asked.changed
    assert asked.notes == ("the label '0' (4 words) is read as O, outside (data.outside)",)
    silent = normalized(items)
    assert not silent.changed
    assert silent.notes == (
        "the label '0' (4 of 7 words) is scored as a class; if it means outside, write data: {outside: \"0\"}",
    )


@pytest.mark.parametrize("outside", ["o", "OUT", "_", "-", "None", "other", "NOTAG"])
def test_every_usual_name_of_outside_is_warned_about(outside: str) -> None:
    notes = normalized(_items(f"{outside} B-PER I-PER {outside} {outside}")).notes
    assert len(notes) == 1
    assert f'data: {{outside: "{outside}"}}' in notes[0]


def test_a_zero_beside_o_is_warned_about() -> None:
    assert 'outside: "0"' in normalized(_items("O B-PER I-PER 0 O")).notes[0]


def test_parts_of_speech_have_no_outside_label_and_no_warning() -> None:
    assert normalized(_items("NN VB _ . -LRB- NN NN")).notes == ()


def test_iob1_is_converted_by_its_rule() -> None:
    """I-X begins an entity unless the tag before it has the same type; B-X begins one right after another."""
    tags = normalized(_items("I-PER I-PER O I-LOC B-LOC I-LOC I-ORG", "O I-LOC"), scheme="iob1")
    assert _labels(tags) == ["B-PER I-PER O B-LOC B-LOC I-LOC B-ORG", "O B-LOC"]
    assert tags.notes == ("labels are converted from IOB1 to IOB2 (data.scheme)",)


@pytest.mark.parametrize(
    ("labels", "scheme", "unconverted", "converted"),
    [
        ("I-PER I-PER O I-LOC B-LOC", "iob1", 1.0, 2 * 2 / (2 + 3)),
        ("I-PER I-PER O I-LOC", "io", 0.0, 2 * 1 / (1 + 2)),
        ("I-PER E-PER O E-LOC", "ioe2", 0.0, 2 * 1 / (1 + 2)),
    ],
)
def test_strict_span_f1_is_right_after_the_conversion(
    labels: str, scheme: str, unconverted: float, converted: float
) -> None:
    """All entities but the first are predicted. Unconverted, strict mode sees one of IOB1, none of others."""
    for gold, score in ((labels, unconverted), (_labels(normalized(_items(labels), scheme=scheme))[0], converted)):
        words = gold.split()
        predicted = ["O", "O", *words[2:]]
        assert span_f1_strict.METRIC.score(words, predicted, [0] * len(words)) == pytest.approx(score)


def test_other_schemes_are_converted_by_their_rules() -> None:
    assert _labels(normalized(_items("I-PER I-PER I-LOC O I-LOC"), scheme="io")) == ["B-PER I-PER B-LOC O B-LOC"]
    assert _labels(normalized(_items("I-PER E-PER E-PER O E-LOC"), scheme="ioe2")) == ["B-PER I-PER B-PER O B-LOC"]
    assert _labels(normalized(_items("I-PER E-PER I-PER O I-LOC"), scheme="ioe1")) == ["B-PER I-PER B-PER O B-LOC"]


def test_spelling_outside_and_scheme_act_together() -> None:
    tags = normalized(_items("0 PER_I PER_I 0 LOC_I"), outside="0", scheme="io")
    assert _labels(tags) == ["O B-PER I-PER O B-LOC"]


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [("O I-PER I-PER O I-LOC", "iob1"), ("O I-PER I-PER O I-LOC B-LOC", "iob1"), ("O I-PER E-PER E-LOC", "ioe2")],
)
def test_a_scheme_that_strict_span_f1_misreads_is_named_with_the_remedy(labels: str, scheme: str) -> None:
    notes = normalized(_items(labels)).notes
    assert len(notes) == 1
    assert "strict span F1 is wrong" in notes[0]
    assert f"data: {{scheme: {scheme}}}" in notes[0]
    assert not any("wrong" in note for note in normalized(_items(labels), scheme=scheme).notes)


def test_a_few_broken_entities_are_counted_and_the_first_is_named() -> None:
    assert normalized(_items("B-PER I-PER", "O I-LOC", "B-LOC O B-LOC")).notes == (
        "1 of 4 entities are not well-formed in IOB2 (the first in item 2): strict span F1 leaves them out",
    )


@pytest.mark.parametrize("labels", ["S-LOC O B-PER I-PER E-PER", "U-LOC O B-PER I-PER L-PER", "S-X B-X M-X E-X"])
def test_iobes_bilou_and_bmes_are_read_by_the_metrics_and_stay(labels: str) -> None:
    items = _items(labels)
    assert normalized(items) == Tags(items)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("O B-PER I-PER B_LOC O", "not every label is a tag such as B-PER: correct 'B_LOC'"),
        ("O B I O", "name no type, so there is no span F1"),
    ],
)
def test_labels_without_span_f1_although_they_look_like_tags_are_said(labels: str, reason: str) -> None:
    notes = normalized(_items(labels)).notes
    assert len(notes) == 1
    assert reason in notes[0]


@pytest.mark.parametrize(
    ("labels", "settings", "reason"),
    [
        ("O B-PER", {"outside": "0"}, r"data.outside: no word has the label '0'; there are: 'B-PER', 'O'"),
        ("O NN VB", {"scheme": "iob1"}, r"data.scheme: iob1 needs labels such as I-X and O, not 'NN', 'VB'"),
        ("O B-X I-X", {"scheme": "io"}, r"data.scheme: io has no labels that begin with 'B'"),
        ("0 I-X", {"scheme": "io"}, r"data.outside"),
    ],
)
def test_a_setting_that_the_labels_contradict_is_refused(labels: str, settings: dict[str, str], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        normalized(_items(labels), **settings)


def test_items_without_words_are_left_alone_and_settings_for_them_refused() -> None:
    texts = [{"id": 1, "text": "a b", "label": "0"}]
    assert normalized(texts) == Tags(texts)
    with pytest.raises(DataError, match="one label per word"):
        normalized(texts, outside="0")
    unlabelled = [{"id": 1, "words": ["a"]}]
    assert normalized(unlabelled, outside="0") == Tags(unlabelled)


def test_labels_that_are_no_text_are_left_for_the_task_to_refuse() -> None:
    items: list[dict[str, Any]] = [{"id": 1, "words": ["a", "b"], "labels": [0, 1]}, {"id": 2, "words": ["a"]}]
    assert normalized(items) == Tags(items)


def test_labels_in_brackets_as_conll_2012_writes_them_are_tags() -> None:
    labels = [["*", "(DATE*", "*", "*)", "(GPE)"], ["(V*)", "*"]]
    items = [{"id": n, "words": ["w"] * len(written), "labels": written} for n, written in enumerate(labels)]
    tags = normalized(items)
    assert [item["labels"] for item in tags.items] == [["O", "B-DATE", "I-DATE", "I-DATE", "B-GPE"], ["B-V", "O"]]
    assert tags.changed
    assert any("brackets" in note for note in tags.notes)


@pytest.mark.parametrize("labels", [["(A*", "(B*", "*)"], ["*", "*)"], ["(A*", "*"], ["(", ")"], ["(12)", "-"]])
def test_brackets_that_do_not_open_and_close_in_turn_are_left_alone(labels: list[str]) -> None:
    items = [{"id": 1, "words": ["w"] * len(labels), "labels": labels}]
    assert normalized(items).items == items
