"""Token classification metrics: the hand check, spans in both modes, and what is refused."""

from __future__ import annotations

import pytest

from analysis.metrics import (
    accuracy,
    macro_f1,
    macro_f1_with_outside,
    micro_f1,
    piece_weighted_f1,
    span_f1,
    span_f1_strict,
    weighted_f1,
    weighted_f1_with_outside,
)

GOLD = ["O", "OBDH", "OBDH", "O", "Power", "O", "O", "O", "Thermal", "O"]
PREDICTED = ["O", "OBDH", "O", "O", "Power", "O", "O", "Power", "O", "O"]


def test_the_hand_checked_sentence_has_the_expected_scores() -> None:
    assert accuracy.METRIC.score(GOLD, PREDICTED) == pytest.approx(0.7)
    assert micro_f1.METRIC.score(GOLD, PREDICTED) == pytest.approx(0.571429, abs=5e-7)
    assert macro_f1_with_outside.METRIC.score(GOLD, PREDICTED) == pytest.approx(0.525641, abs=5e-7)
    assert macro_f1.METRIC.score(GOLD, PREDICTED) == pytest.approx(0.444444, abs=5e-7)
    assert weighted_f1.METRIC.score(GOLD, PREDICTED) == pytest.approx((2 * 2 / 3 + 2 / 3 + 0) / 4)


def test_weighted_f1_with_outside_counts_the_outside_words_by_their_number() -> None:
    outside = 2 * 5 / (6 + 7)
    expected = (6 * outside + 2 * 2 / 3 + 2 / 3) / 10
    assert weighted_f1_with_outside.METRIC.score(GOLD, PREDICTED) == pytest.approx(expected)


def test_a_weight_of_two_is_the_item_twice_and_a_weight_of_zero_is_the_item_gone() -> None:
    items = [0] * 5 + [1] * 5
    twice = micro_f1.METRIC.score(GOLD + GOLD[5:], PREDICTED + PREDICTED[5:])
    assert micro_f1.METRIC.weighted(GOLD, PREDICTED, [1, 2], items) == pytest.approx(twice)
    gone = macro_f1.METRIC.score(GOLD[:5], PREDICTED[:5])
    assert macro_f1.METRIC.weighted(GOLD, PREDICTED, [1, 0], items) == pytest.approx(gone)


def test_items_are_weighted_in_the_order_in_which_they_first_appear() -> None:
    names = ["z"] * 5 + ["a"] * 5
    first = accuracy.METRIC.weighted(GOLD, PREDICTED, [1, 0], names)
    assert first == accuracy.METRIC.score(GOLD[:5], PREDICTED[:5])


def test_nothing_but_outside_words_is_an_f1_of_zero_and_never_nan() -> None:
    for metric in (micro_f1.METRIC, macro_f1.METRIC, weighted_f1.METRIC):
        assert metric.score(["O", "O"], ["O", "O"]) == 0.0


def test_a_word_without_a_prediction_is_missed_and_no_class_of_its_own() -> None:
    """A: 1 of 2 found, none invented: 2 / 3; span: the entity of two words is not found, half of it is."""
    gold, said = ["A", "A", "O"], ["A", None, None]
    assert accuracy.METRIC.score(gold, said) == pytest.approx(1 / 3)
    for metric in (micro_f1.METRIC, macro_f1.METRIC, weighted_f1.METRIC):
        assert metric.score(gold, said) == pytest.approx(2 / 3)
    for span in (span_f1.METRIC, span_f1_strict.METRIC):
        assert span.score(["B-A", "I-A", "B-B"], ["B-A", None, "B-B"], [0, 0, 0]) == pytest.approx(2 * 1 / (2 + 2))


def test_pieces_count_as_words_of_the_label_of_their_word() -> None:
    """Pieces A, O of a word A, none of a word B that was cut off, O, A of a word O: A is 1 right of 2 and 2."""
    score = piece_weighted_f1.METRIC.score(["A", "B", "O"], ["A\tO", "", "O\tA"])
    assert score == pytest.approx(2 * 1 / (2 + 2))


def test_a_class_that_is_only_predicted_counts_in_macro_and_weighs_nothing_in_weighted() -> None:
    gold, predicted = ["A", "A"], ["A", "B"]
    assert macro_f1.METRIC.score(gold, predicted) == pytest.approx((2 / 3 + 0) / 2)
    assert weighted_f1.METRIC.score(gold, predicted) == pytest.approx(2 / 3)


def test_span_f1_reads_a_wrong_start_as_an_entity_and_strict_does_not() -> None:
    gold, predicted = ["B-NP", "I-NP", "O"], ["I-NP", "I-NP", "O"]
    assert span_f1.METRIC.score(gold, predicted, [0, 0, 0]) == 1.0
    assert span_f1_strict.METRIC.score(gold, predicted, [0, 0, 0]) == 0.0
    assert (span_f1.METRIC.mode, span_f1_strict.METRIC.mode) == ("lenient", "strict")


@pytest.mark.parametrize(
    ("tags", "lenient", "strict"),
    [
        ("B-A I-A O B-A", {("A", 0, 1), ("A", 3, 3)}, {("A", 0, 1), ("A", 3, 3)}),
        ("B-A B-A", {("A", 0, 0), ("A", 1, 1)}, {("A", 0, 0), ("A", 1, 1)}),
        ("B-A I-B", {("A", 0, 0), ("B", 1, 1)}, {("A", 0, 0)}),
        ("O I-A I-A", {("A", 1, 2)}, set()),
        ("B-A E-A S-B", {("A", 0, 1), ("B", 2, 2)}, {("A", 0, 1), ("B", 2, 2)}),
        ("B-A I-A S-B", {("A", 0, 1), ("B", 2, 2)}, {("B", 2, 2)}),
        ("B-A L-A U-B", {("A", 0, 1), ("B", 2, 2)}, {("A", 0, 1), ("B", 2, 2)}),
        ("E-A I-A", {("A", 0, 0), ("A", 1, 1)}, set()),
    ],
)
def test_tags_are_read_as_these_entities(tags: str, lenient: set[object], strict: set[object]) -> None:
    from analysis.metrics._spans import lenient_spans, strict_spans

    closed = any(tag[0] in "ESLU" for tag in tags.split())
    assert lenient_spans(tags.split(), closed) == lenient
    assert strict_spans(tags.split(), closed) == strict


def test_entities_do_not_reach_over_the_end_of_a_sentence() -> None:
    gold, predicted = ["B-A", "I-A"], ["B-A", "I-A"]
    assert span_f1.METRIC.score(gold, predicted, [0, 1]) == 1.0
    assert span_f1_strict.METRIC.score(gold, predicted, [0, 1]) == 1.0
    assert span_f1.METRIC.score(["B-A", "I-A"], ["B-A", "O"], [0, 1]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "tags", ["S-A O B-A I-A E-A B-B E-B", "U-A O B-A I-A L-A B-B L-B", "S-A O B-A M-A E-A B-B E-B"]
)
def test_iobes_bilou_and_bmes_hold_the_same_entities_in_both_modes(tags: str) -> None:
    """Entities by hand: A at word 0, A at words 2 to 4, B at words 5 and 6; the prediction has only the last one."""
    gold = tags.split()
    predicted = ["O", "O", "B-A", "O", "O", *gold[5:]]
    assert span_f1.METRIC.applies(set(gold))
    for metric in (span_f1.METRIC, span_f1_strict.METRIC):
        assert metric.score(gold, gold, [0] * 7) == 1.0
    assert span_f1_strict.METRIC.score(gold, predicted, [0] * 7) == pytest.approx(2 * 1 / (1 + 3))
    assert span_f1.METRIC.score(gold, predicted, [0] * 7) == pytest.approx(2 * 1 / (2 + 3))


def test_span_f1_refuses_plain_labels_instead_of_reading_their_first_letter() -> None:
    assert not span_f1.METRIC.applies(set(GOLD))
    assert not span_f1.METRIC.applies({"O"})
    assert span_f1.METRIC.applies({"O", "B-A", "I-A"})
    with pytest.raises(ValueError, match="OBDH, Power, Thermal"):
        span_f1.METRIC.score(GOLD, PREDICTED)


def test_answers_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 gold labels do not pair with 1"):
        accuracy.METRIC.score(["A", "B"], ["A"])
    with pytest.raises(ValueError, match="nothing to score"):
        accuracy.METRIC.score([], [])
    with pytest.raises(ValueError, match="one number for each of 2 items"):
        accuracy.METRIC.weighted(["A", "B"], ["A", "B"], [1])
    with pytest.raises(ValueError, match="adjacent"):
        accuracy.METRIC.score(["A", "B", "A"], ["A", "B", "A"], [0, 1, 0])
    with pytest.raises(ValueError, match="shape"):
        accuracy.METRIC.score(["A", "B"], ["A", "B"], [0])
