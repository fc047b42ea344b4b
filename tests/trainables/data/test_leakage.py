"""Items that are not new are counted by what the model is given of them, whatever else the file has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainables.data.dataset import Item
from trainables.data.leakage import Contents, Overlap
from trainables.data.splits import Split

TEXT = ("text", "label")
QUESTION = ("question", "context", "answers")
LONG = "the valve was closed before the test"


def _split(train: list[int], validation: list[int], test: list[int] | None = None) -> Split:
    return Split(*(np.array(part, dtype=np.int64) for part in (train, validation, test or [])))


def _two(one: Item, other: Item, fields: tuple[str, ...], **options: Any) -> Overlap:
    """What an evaluation item shares with the only training item."""
    return Contents.of([one, other], fields, **options).overlap(_split([0], [1]))


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ({"text": LONG, "label": "a", "row": 1}, {"text": LONG, "label": "b", "row": 2}, TEXT),
        ({"text": LONG, "when": "2024-01-01"}, {"text": LONG, "when": "2024-01-02", "annotator": "eve"}, TEXT),
        ({"text": LONG}, {"text": "  the valve\twas closed\n\nbefore the\u00a0test\u3000"}, TEXT),
        ({"text": LONG, "text_pair": "it leaked"}, {"text": LONG, "text_pair": "it  leaked "}, TEXT),
        (
            {"words": LONG.split(), "labels": ["O"] * 7},
            {"words": [*LONG.split(), " "], "labels": ["B-X"] * 8},
            ("words",),
        ),
        (
            {"question": "what was closed ?", "context": LONG, "answers": {"text": ["valve"]}, "title": "A"},
            {"question": "what was closed ?", "context": LONG, "answers": {"text": []}, "title": "B"},
            QUESTION,
        ),
    ],
)
def test_an_item_is_a_duplicate_if_its_input_is_the_same(one: Item, other: Item, fields: tuple[str, ...]) -> None:
    overlap = _two({"id": 1, **one}, {"id": 2, **other}, fields)
    assert (overlap.duplicates, overlap.near_duplicates, overlap.short_duplicates) == (1, 0, 0)


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ({"text": LONG}, {"text": "The valve was closed, before the test!"}, 1),
        ({"text": f"{LONG} , ticket 4242 ."}, {"text": f"{LONG} , ticket 4969 ."}, 1),
        ({"text": f"{LONG} of model A320"}, {"text": f"{LONG} of model A321"}, 0),
        ({"text": "यह किताब बहुत अच्छी है"}, {"text": "यह किताब बहुत अच्छा है"}, 0),
        ({"text": f"{LONG} \N{GRINNING FACE}"}, {"text": f"{LONG} \N{CRYING FACE}"}, 0),
        ({"text": LONG, "text_pair": "it leaked"}, {"text": LONG, "text_pair": "it held"}, 0),
        ({"text": LONG, "text_pair": "it leaked"}, {"text": LONG}, 0),
    ],
)
def test_near_duplicates_differ_in_case_punctuation_and_numbers_only(one: Item, other: Item, near: int) -> None:
    overlap = _two(one, other, TEXT)
    assert (overlap.duplicates, overlap.near_duplicates) == (0, near)


def test_the_border_between_two_fields_counts() -> None:
    assert _two({"text": "a b c", "text_pair": "d e f"}, {"text": "a b", "text_pair": "c d e f"}, TEXT) == Overlap()


def test_a_repeat_of_something_short_is_counted_apart() -> None:
    texts = ["3 .", "ok !", LONG, "another long sentence about valves", "and one more long sentence", "3 .", "OK", LONG]
    overlap = Contents.of([{"text": text} for text in texts], TEXT).overlap(_split([0, 1, 2, 3, 4], [5, 6, 7]))
    assert (overlap.duplicates, overlap.near_duplicates, overlap.short_duplicates) == (1, 0, 2)


def test_in_data_of_single_words_a_repeat_is_a_duplicate_like_any_other() -> None:
    items = [{"text": name} for name in ("Smith", "Rossi", "Tanaka", "Smith")]
    assert Contents.of(items, TEXT).overlap(_split([0, 1, 2], [3])).duplicates == 1


def test_a_text_without_spaces_is_not_short() -> None:
    text = "阀门在测试之前已经关闭了"
    assert _two({"text": text}, {"text": text}, TEXT).duplicates == 1


def test_repeats_within_an_evaluation_part_are_counted_and_repeats_in_training_are_not() -> None:
    items = [{"text": f"sentence number {name} of many"} for name in "aabbbcdd"]
    overlap = Contents.of(items, TEXT).overlap(_split([0, 1], [2, 3, 4, 5], [6, 7]))
    assert (overlap.duplicates, overlap.repeated) == (0, 3)


def test_evaluation_items_in_a_cluster_of_the_training_part_are_counted() -> None:
    items = [{"text": f"sentence {name}", "cluster": name} for name in ("a", "b", "a", None, "c", None)]
    assert Contents.of(items, TEXT).overlap(_split([0, 1, 3], [2, 4, 5])).known_clusters == 1


def test_right_answers_in_fields_of_a_task_of_ones_own_are_no_content() -> None:
    one, other = {"sentence": LONG, "rating": 4}, {"sentence": LONG, "rating": 1}
    assert _two(one, other, ("sentence", "rating")).duplicates == 0
    assert _two(one, other, ("sentence", "rating"), gold=("rating",)).duplicates == 1


def test_a_task_without_input_fields_compares_all_but_ids_and_right_answers() -> None:
    one, other = {"id": 1, "cluster": "a", "body": LONG, "label": "x"}, {"id": 2, "body": LONG, "label": "y"}
    assert _two(one, other, ("label",)).duplicates == 1


def test_of_two_splits_the_larger_numbers_are_kept() -> None:
    assert Overlap(3, 0, 1, 0, 7).worst(Overlap(2, 5, 1, 0, 8)) == Overlap(3, 5, 1, 0, 8)
