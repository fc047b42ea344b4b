"""Every registered metric: in range, perfect for perfect answers, and its weighted form is its plain form."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import registry

NAMES = registry.names("metric")


def random_answers(number: int) -> tuple[list[str], list[str], np.ndarray]:
    generator = np.random.default_rng(number)
    gold, predicted = generator.choice(["O", "O", "B-A", "I-A", "B-B", "I-B"], size=(2, 60)).tolist()
    return gold, predicted, np.sort(generator.integers(0, 12, size=60))


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_states_what_it_is(name: str) -> None:
    metric = registry.load("metric", name)
    assert metric.name == name
    assert metric.title
    assert metric.description
    assert metric.direction in ("maximize", "minimize")


@pytest.mark.parametrize("name", NAMES)
def test_perfect_answers_have_a_perfect_score(name: str) -> None:
    metric = registry.load("metric", name)
    gold = ["B-A", "I-A", "O", "B-B"]
    assert metric.applies(set(gold))
    assert metric.score(gold, gold, [0, 0, 0, 1]) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_unit_weights_change_nothing_and_scores_stay_in_range(name: str) -> None:
    metric = registry.load("metric", name)
    for number in range(30):
        gold, predicted, items = random_answers(number)
        plain = metric.score(gold, predicted, items)
        assert 0.0 <= plain <= 1.0
        assert metric.weighted(gold, predicted, np.ones(len(set(items))), items) == pytest.approx(plain)


@pytest.mark.parametrize("name", NAMES)
def test_a_resample_by_weights_equals_the_items_repeated(name: str) -> None:
    metric = registry.load("metric", name)
    for number in range(30):
        gold, predicted, items = random_answers(number)
        names = np.unique(items)
        weights = np.random.default_rng(number).integers(0, 3, size=len(names))
        weights[0] = max(weights[0], 1)
        chosen = np.repeat(names, weights)
        words = [(word, copy) for copy, name in enumerate(chosen) for word in np.flatnonzero(items == name)]
        repeated = metric.score([gold[w] for w, _ in words], [predicted[w] for w, _ in words], [c for _, c in words])
        assert metric.weighted(gold, predicted, weights, items) == pytest.approx(repeated)


@pytest.mark.parametrize("name", NAMES)
def test_many_resamples_at_once_equal_one_after_the_other(name: str) -> None:
    metric = registry.load("metric", name)
    from analysis.metrics import answers

    gold, predicted, items = random_answers(1)
    weights = np.random.default_rng(0).integers(1, 4, size=(5, len(set(items)))).astype(float)
    together = metric.value(weights @ metric.counts(answers(gold, predicted, items)))
    assert together == pytest.approx([metric.weighted(gold, predicted, row, items) for row in weights])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_score_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="nothing to score"):
        registry.load("metric", name).score([], [])
