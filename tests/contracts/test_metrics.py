"""Every registered metric: in range, perfect for perfect answers, and its weighted form is its plain form."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator

import numpy as np
import pytest

from analysis import registry
from analysis.metrics import Metric, answers

NAMES = registry.names("metric")
KINDS = {
    "tags": ["O", "O", "B-A", "I-A", "B-B", "I-B"],
    "two classes": ["no", "no", "yes"],
    "label sets": ["", "joy", "joy\tlove", "fear", "fear\tjoy\tlove"],
}
PERFECT = {"tags": ["B-A", "I-A", "O", "B-B"], "two classes": ["no", "yes", "yes"], "label sets": ["", "joy\tlove"]}
Case = tuple[list[str], list[str], np.ndarray]


def random_answers(metric: Metric, count: int) -> Iterator[Case]:
    """Gold and predicted labels of every kind that the metric can read, over twelve items."""
    for labels in KINDS.values():
        if not metric.applies(set(labels)):
            continue
        for number in range(count):
            generator = np.random.default_rng(number)
            gold, predicted = generator.choice(labels, size=(2, 60)).tolist()
            yield gold, predicted, np.sort(generator.integers(0, 12, size=60))


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_states_what_it_is(name: str) -> None:
    metric = registry.load("metric", name)
    assert metric.name == name
    assert metric.title
    assert metric.description
    assert metric.direction in ("maximize", "minimize")
    assert metric.bounds[0] < metric.bounds[1]
    assert any(metric.applies(set(labels)) for labels in KINDS.values())


@pytest.mark.parametrize("name", NAMES)
def test_perfect_answers_have_a_perfect_score(name: str) -> None:
    metric = registry.load("metric", name)
    best = metric.bounds[1 if metric.direction == "maximize" else 0]
    for kind, gold in PERFECT.items():
        if metric.applies(set(KINDS[kind])):
            assert metric.score(gold, gold, [0, *[1] * (len(gold) - 1)]) == pytest.approx(best)


@pytest.mark.parametrize("name", NAMES)
def test_unit_weights_change_nothing_and_scores_stay_in_range(name: str) -> None:
    metric = registry.load("metric", name)
    lowest, highest = metric.bounds
    for gold, predicted, items in random_answers(metric, 20):
        plain = metric.score(gold, predicted, items)
        assert lowest <= plain <= highest
        assert metric.weighted(gold, predicted, np.ones(len(set(items))), items) == pytest.approx(plain)


@pytest.mark.parametrize("name", NAMES)
def test_a_resample_by_weights_equals_the_items_repeated(name: str) -> None:
    metric = registry.load("metric", name)
    for gold, predicted, items in random_answers(metric, 20):
        names = np.unique(items)
        weights = np.random.default_rng(len(names)).integers(0, 3, size=len(names))
        weights[0] = max(weights[0], 1)
        chosen = np.repeat(names, weights)
        words = [(word, copy) for copy, name in enumerate(chosen) for word in np.flatnonzero(items == name)]
        repeated = metric.score([gold[w] for w, _ in words], [predicted[w] for w, _ in words], [c for _, c in words])
        assert metric.weighted(gold, predicted, weights, items) == pytest.approx(repeated)


@pytest.mark.parametrize("name", NAMES)
def test_many_resamples_at_once_equal_one_after_the_other(name: str) -> None:
    metric = registry.load("metric", name)
    for gold, predicted, items in random_answers(metric, 2):
        weights = np.random.default_rng(0).integers(1, 4, size=(5, len(set(items)))).astype(float)
        together = metric.value(weights @ metric.counts(answers(gold, predicted, items)))
        assert together == pytest.approx([metric.weighted(gold, predicted, row, items) for row in weights])


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_prediction_is_a_miss_whether_it_is_written_as_none_or_as_nan(name: str) -> None:
    """It can do no better than a wrong one, adds no class, and where all are missing nothing is right."""
    metric = registry.load("metric", name)
    better = operator.ge if metric.direction == "maximize" else operator.le
    for gold, predicted, items in random_answers(metric, 20):
        lost = [None if place % 3 == 0 else said for place, said in enumerate(predicted)]
        right = [gold[place] if said is None else said for place, said in enumerate(lost)]
        score = metric.score(gold, lost, items)
        assert metric.score(gold, [math.nan if said is None else said for said in lost], items) == score
        assert better(metric.score(gold, right, items), score)
        assert metric.score(gold, [None] * len(gold), items) == (0.0 if metric.direction == "maximize" else 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_score_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="nothing to score"):
        registry.load("metric", name).score([], [])
