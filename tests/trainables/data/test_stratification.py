"""Groups have the sizes asked for and hold every label in proportion, also where items have several labels or none."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.config import SplitConfig
from trainables.data.splits import make_split
from trainables.data.stratification import Indices, Strata, divide

SHARES = {"joy": 0.4, "anger": 0.3, "love": 0.1, "trust": 0.03}


def _generator() -> np.random.Generator:
    return np.random.default_rng(42)


def _sets(count: int = 600) -> list[frozenset[str]]:
    """Sets of labels as they occur in tweets: some frequent, some rare, some tweets without any."""
    draws = np.random.default_rng(0).random((count, len(SHARES)))
    return [
        frozenset(label for label, draw, share in zip(SHARES, row, SHARES.values(), strict=True) if draw < share)
        for row in draws
    ]


def _worst(groups: list[Indices], strata: Strata) -> float:
    """The largest difference between how often a label occurs in a group and how often it should, in items."""
    size = len(strata)
    return max(
        abs(sum(label in strata[index] for index in group) - len(group) / size * sum(label in own for own in strata))
        for group in groups
        for label in SHARES
    )


@pytest.mark.parametrize("strata", [None, [frozenset({str(index % 3)}) for index in range(600)], _sets()])
@pytest.mark.parametrize("sizes", [[600], [100, 500], [60] * 10, [40] * 15, [0, 90, 510]])
def test_groups_are_disjoint_and_have_their_sizes(strata: Strata | None, sizes: list[int]) -> None:
    groups = divide(600, sizes, _generator(), strata)
    assert [len(group) for group in groups] == sizes
    assert sorted(np.concatenate(groups).tolist()) == list(range(600))


@pytest.mark.parametrize("folds", [3, 10, 15])
def test_every_label_of_label_sets_is_spread_over_the_folds(folds: int) -> None:
    strata = _sets()
    groups = divide(600, [600 // folds] * folds, _generator(), strata)
    assert _worst(groups, strata) <= 1.5
    assert _worst(divide(600, [600 // folds] * folds, _generator()), strata) > 4


def test_cuts_of_unequal_sizes_hold_the_labels_in_proportion() -> None:
    strata = _sets()
    assert _worst(divide(600, [90, 120, 390], _generator(), strata), strata) <= 1.5


def test_two_items_of_the_rarest_label_are_divided_first() -> None:
    strata = [frozenset({"joy"})] * 8 + [frozenset({"joy", "trust"})] * 2
    first, second = divide(10, [5, 5], _generator(), strata)
    assert sum(index >= 8 for index in first) == sum(index >= 8 for index in second) == 1


def test_equal_seeds_divide_equally() -> None:
    strata = _sets()
    first, again = (divide(600, [200, 400], _generator(), strata)[0] for _ in range(2))
    other = divide(600, [200, 400], np.random.default_rng(1), strata)[0]
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_split_of_label_sets_is_stratified_in_every_part() -> None:
    strata = _sets()
    items = [{"id": index, "text": f"text {index}"} for index in range(600)]
    settings = SplitConfig(validation=0.2, test=0.2, calibration=0.1, train_items=200)
    split = make_split(items, settings, 42, strata=strata)
    assert [len(split.part(name)) for name in ("train", "calibration", "validation", "test")] == [200, 36, 120, 120]
    for part in (split.train, split.calibration, split.validation, split.test):
        assert _worst([part], strata) <= 3


def test_folds_of_label_sets_partition_the_items() -> None:
    items = [{"id": index, "text": f"text {index}"} for index in range(100)]
    folds = [make_split(items, SplitConfig(folds=3), 42, fold=fold, strata=_sets(100)).validation for fold in range(3)]
    assert sorted(np.concatenate(folds).tolist()) == list(range(100))
    assert [len(fold) for fold in folds] == [34, 33, 33]
