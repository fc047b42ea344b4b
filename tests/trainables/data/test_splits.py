"""Splits are disjoint, cover every item, and depend on the seed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.config import SplitConfig
from trainables.data.dataset import DataError
from trainables.data.splits import PARTS, Split, ids_fingerprint, make_split


def _items(count: int) -> list[dict[str, Any]]:
    return [{"id": index, "words": [f"word{index}"], "labels": ["O"]} for index in range(count)]


def _everything(split: Split) -> list[int]:
    return sorted(np.concatenate([split.part(name) for name in PARTS]).tolist())


@pytest.mark.parametrize(
    "settings",
    [
        SplitConfig(),
        SplitConfig(validation=0.213),
        SplitConfig(validation=0.2, test=0.1),
        SplitConfig(folds=7),
        SplitConfig(folds=3, test=0.25),
    ],
)
def test_parts_are_disjoint_sorted_and_cover_everything(settings: SplitConfig) -> None:
    split = make_split(_items(875), settings, 42, fold=2 if settings.folds else None)
    assert _everything(split) == list(range(875))
    for name in PARTS:
        assert np.all(np.diff(split.part(name)) > 0)


def test_sizes_are_the_shares_asked_for() -> None:
    split = make_split(_items(875), SplitConfig(validation=0.213), 42)
    assert (len(split.train), len(split.validation), len(split.test)) == (689, 186, 0)
    split = make_split(_items(100), SplitConfig(validation=0.2, test=0.1), 42)
    assert (len(split.train), len(split.validation), len(split.test)) == (70, 20, 10)
    assert len(make_split(_items(100), SplitConfig(), 42).validation) == 20


def test_the_seed_alone_decides() -> None:
    first, again, other = (make_split(_items(50), SplitConfig(), seed) for seed in (1, 1, 2))
    assert first.validation.tolist() == again.validation.tolist()
    assert first.validation.tolist() != other.validation.tolist()
    assert make_split(_items(10), SplitConfig(), 42).validation.tolist() == sorted(
        np.random.default_rng(42).permutation(10)[:2].tolist()
    )


def test_folds_partition_the_items() -> None:
    folds = [make_split(_items(23), SplitConfig(folds=5), 42, fold=fold).validation.tolist() for fold in range(5)]
    assert sorted(index for fold in folds for index in fold) == list(range(23))


def test_a_fold_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="fold must be between 0 and 4, got 5"):
        make_split(_items(23), SplitConfig(folds=5), 42, fold=5)
    with pytest.raises(DataError, match=r"split.folds is 30, but there are only 23 items"):
        make_split(_items(23), SplitConfig(folds=30), 42, fold=0)


def test_strata_keep_their_shares_in_every_part() -> None:
    strata = [frozenset({"rare"})] * 10 + [frozenset({"common"})] * 90
    split = make_split(_items(100), SplitConfig(validation=0.2, test=0.1), 7, strata=strata)
    assert [sum(index < 10 for index in split.part(name)) for name in PARTS] == [7, 0, 2, 1]


def test_the_official_split_is_used_unless_another_is_asked_for() -> None:
    parts = {"train": [3, 0, 1], "validation": [2], "test": [4]}
    split = make_split(_items(5), SplitConfig(), 42, parts=parts)
    assert (split.train.tolist(), split.validation.tolist(), split.test.tolist()) == ([0, 1, 3], [2], [4])
    asked = make_split(_items(5), SplitConfig(validation=0.4), 42, parts=parts)
    assert len(asked.validation) == 2


def test_an_official_test_part_stays_one_unless_another_is_asked_for() -> None:
    parts = {"train": range(8), "validation": [8, 9], "test": [10, 11]}
    drawn = make_split(_items(12), SplitConfig(validation=0.3), 42, parts=parts)
    assert (len(drawn.train), len(drawn.validation), drawn.test.tolist()) == (7, 3, [10, 11])
    folds = [make_split(_items(12), SplitConfig(folds=5), 42, fold=fold, parts=parts) for fold in range(5)]
    assert sorted(np.concatenate([fold.validation for fold in folds]).tolist()) == list(range(10))
    assert all(fold.test.tolist() == [10, 11] for fold in folds)
    asked = make_split(_items(12), SplitConfig(validation=0.25, test=0.25), 42, parts=parts)
    assert (len(asked.train), len(asked.validation), len(asked.test)) == (6, 3, 3)


def test_items_outside_the_official_parts_are_left_out_of_a_new_draw() -> None:
    drawn = make_split(_items(12), SplitConfig(validation=0.5), 42, parts={"train": range(6), "test": [6, 7]})
    assert _everything(drawn) == list(range(8))


def test_without_an_official_validation_part_a_share_of_train_is_it() -> None:
    split = make_split(_items(12), SplitConfig(), 42, parts={"train": range(10), "test": [10, 11]})
    assert (len(split.train), len(split.validation), split.test.tolist()) == (8, 2, [10, 11])


def test_an_ids_file_decides_alone(tmp_path: Path) -> None:
    path = tmp_path / "my ids.json"
    path.write_text(json.dumps({"train": [0, "2"], "validation": [1]}), encoding="utf-8")
    split = make_split(_items(5), SplitConfig(ids=str(path)), 42)
    assert (split.train.tolist(), split.validation.tolist(), split.test.tolist()) == ([0, 2], [1], [])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('{"train": [0, 99], "validation": [1]}', "no item has the id 99"),
        ('{"train": [0, 1], "validation": [1]}', "the id 1 is in train and in validation"),
        ('{"train": [0, 0], "validation": [1]}', "the id 0 is in train and in train"),
        ('{"training": [0]}', "lists of ids under train, validation, test"),
        ('{"train": 3}', "train must be a list of ids"),
        ('{"train": [0]}', "no item is left for validation"),
        ('{"train": ', "is not JSON"),
    ],
)
def test_a_wrong_ids_file_is_explained(tmp_path: Path, document: str, reason: str) -> None:
    path = tmp_path / "ids.json"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        make_split(_items(5), SplitConfig(ids=str(path)), 42)


def test_a_missing_ids_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*absent\.json"):
        make_split(_items(5), SplitConfig(ids=str(tmp_path / "absent.json")), 42)


def test_the_ids_fingerprint_is_of_the_meaning_and_not_of_the_layout(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one.json", "two.json", "three.json"))
    one.write_text('{"train": [1, 2], "validation": [3]}', encoding="utf-8")
    two.write_text('{"validation": ["3"],\n "train": [2, 1]}', encoding="utf-8")
    three.write_text('{"train": [1, 3], "validation": [2]}', encoding="utf-8")
    assert ids_fingerprint(one) == ids_fingerprint(two) != ids_fingerprint(three)


def test_too_few_items_are_refused() -> None:
    with pytest.raises(DataError, match="no item is left for validation"):
        make_split(_items(2), SplitConfig(), 42)


def test_a_number_of_training_items_leaves_the_evaluation_whole() -> None:
    whole = make_split(_items(100), SplitConfig(validation=0.2, test=0.1), 42)
    fewer = make_split(_items(100), SplitConfig(validation=0.2, test=0.1, train_items=30), 42)
    assert (len(fewer.train), len(fewer.calibration)) == (30, 0)
    assert set(fewer.train.tolist()) < set(whole.train.tolist())
    assert fewer.validation.tolist() == whole.validation.tolist()
    assert fewer.test.tolist() == whole.test.tolist()


def test_a_single_fold_needs_folds() -> None:
    assert SplitConfig(folds=10, fold=9).fold == 9
    for settings in ({"folds": 10, "fold": 10}, {"fold": 0}):
        with pytest.raises(ValueError, match="needs folds to be greater than that"):
            SplitConfig(**settings)
