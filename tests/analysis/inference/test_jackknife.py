"""Influences of items and clusters: variances that do not lose rare classes, and degrees of freedom by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.jackknife import (
    bell_mccaffrey_df,
    effective_clusters,
    effective_number,
    influences,
    too_unequal,
)
from analysis.inference.resampling import resampled_scores
from analysis.metrics import Answers, macro_f1


def mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def counts_of(values: list[float], sizes: list[int]) -> np.ndarray:
    return np.stack([np.multiply(values, sizes), np.array(sizes, dtype=float)], axis=1)


def test_squared_influences_on_a_mean_are_its_variance() -> None:
    """1, 2, 6: variance 7, of the mean 7 / 3."""
    moved = influences([counts_of([1.0, 2.0, 6.0], [1, 1, 1])], mean)
    assert float((moved**2).sum()) == pytest.approx(7 / 3)


def test_a_cluster_is_left_out_whole() -> None:
    """Clusters of 3 and 1 items with means 0 and 4: the mean 1 becomes 4 and 0; three quarters of 9 + 1 are 7.5."""
    moved = influences([counts_of([0.0, 4.0], [3, 1])], mean, np.array([3, 1]))
    assert float((moved**2).sum()) == pytest.approx(7.5)


def test_two_of_a_class_are_not_lost_as_they_are_in_a_bootstrap() -> None:
    """Macro F1 where only the two items of class b vary: one is right and one is missed."""
    gold, said = ["a"] * 98 + ["b"] * 2, ["a"] * 98 + ["b", "a"]
    counts = macro_f1.METRIC.counts(Answers(gold, said, np.arange(100), 100))
    jackknife = float((influences([counts], macro_f1.METRIC.value) ** 2).sum())
    resampled = resampled_scores([counts], macro_f1.METRIC.value, 4_000, np.random.default_rng(0))
    assert jackknife > 1.5 * resampled.var()


def test_influences_are_the_same_in_whatever_rows_they_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [np.random.default_rng(run).random((30, 4)) for run in range(3)]
    whole = influences(counts, lambda sums: sums.sum(axis=-1))
    monkeypatch.setattr("analysis.inference.jackknife._CELLS", 9)
    assert influences(counts, lambda sums: sums.sum(axis=-1)) == pytest.approx(whole)
    with pytest.raises(ValueError, match="needs two of them, got 1"):
        influences([counts[0][:1]], mean)


def test_degrees_of_freedom_are_those_of_the_clusters_weights() -> None:
    """Equal: n - 1. Shares 1/2, 1/4, 1/4: 1 / (3/8 + 2 (1/2 1/12 + 1/2 1/12 + 1/12 1/12)) = 72 / 40 = 1.8."""
    assert bell_mccaffrey_df(np.full(20, 3)) == pytest.approx(19.0)
    assert bell_mccaffrey_df(np.array([4, 2, 2])) == pytest.approx(1.8)
    assert effective_clusters(np.array([4, 2, 2])) == pytest.approx(8 / 3)


def test_the_effective_number_counts_the_items_that_decide() -> None:
    """100 normal influences count as 100; six equal ones among 186 as 2 x 36 / (6 - 36 / 186) = 12.4."""
    assert effective_number(np.random.default_rng(0).normal(size=20_000)) == pytest.approx(20_000, rel=0.05)
    few = np.zeros(186)
    few[:6] = [1, -1, 1, -1, 1, 1]
    assert effective_number(few) == pytest.approx(12.4, abs=0.05)
    assert effective_number(np.zeros(9)) == 9


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ([50], "all 50 items are in one cluster"),
        ([40] + [1] * 60, "one of 61 clusters holds 40% of the items"),
        ([10, 10, 10, 10], "the 4 clusters weigh as much as 4.0 equal ones"),
        ([10] * 5, None),
        ([1] * 100, None),
    ],
)
def test_clusters_too_few_or_too_unequal_allow_no_verdict(sizes: list[int], why: str | None) -> None:
    reason = too_unequal(np.array(sizes))
    assert reason is None if why is None else why in str(reason)
