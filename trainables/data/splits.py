"""Decides which items train, choose the epoch (validation) and are reported (test), from items, settings and seed.

Each group holds every label in proportion, even if items have several labels: iterative stratification (Sechidis,
Tsoumakas and Vlahavas 2011), the rarest label first, where no group ever takes more items than its size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.config import SplitConfig
from trainables.data.dataset import Corpus, DataError, Item, Parts

Indices = NDArray[np.int64]
Strata = Sequence[AbstractSet[Hashable]]


def divide(count: int, sizes: Sequence[int], order: np.random.Generator, strata: Strata | None = None) -> list[Indices]:
    """Divide 0 .. count - 1 into disjoint groups; group g has `sizes[g]` items, and `sizes` add up to `count`.

    `strata` holds the labels of each item; None means a plain draw. If every item has one label, or for a plain draw,
    the groups are stretches of one permutation, so the first group does not depend on how the others are cut.
    """
    assert sum(sizes) == count, f"sizes add up to {sum(sizes)}, there are {count} items"
    shuffled = order.permutation(count)
    if strata is not None and any(len(labels) != 1 for labels in strata):
        group_of = _iterative(shuffled, np.asarray(sizes), strata, order)
        return [np.flatnonzero(group_of == group) for group in range(len(sizes))]
    permutation = shuffled if strata is None else _in_proportion(shuffled, strata)
    return np.split(permutation, np.cumsum(sizes)[:-1])


def _in_proportion(shuffled: Indices, strata: Strata) -> Indices:
    """Return a permutation in which every stretch holds the labels in proportion."""
    members: dict[AbstractSet[Hashable], list[int]] = {}
    for index in shuffled.tolist():
        members.setdefault(strata[index], []).append(index)
    quantile = {index: (rank + 0.5) / len(group) for group in members.values() for rank, index in enumerate(group)}
    return np.array(sorted(shuffled.tolist(), key=quantile.__getitem__), dtype=np.int64)


def _iterative(shuffled: Indices, sizes: Indices, strata: Strata, order: np.random.Generator) -> Indices:
    """Return the group of each item, [count]."""
    labels = sorted({label for labels in strata for label in labels}, key=str)
    number = {label: row for row, label in enumerate(labels)}
    rows = [np.array([number[label] for label in own], dtype=np.int64) for own in strata]
    left = np.array([sum(label in own for own in strata) for label in labels], dtype=np.int64)
    wanted_LG = left[:, None] * (sizes / sizes.sum())
    room_G = sizes.astype(np.float64)
    group_of = np.full(len(strata), -1, dtype=np.int64)
    while left.any():
        rarest = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        for item in (int(index) for index in shuffled if group_of[index] < 0 and labels[rarest] in strata[index]):
            group = _neediest(wanted_LG[rarest], room_G, order)
            group_of[item] = group
            wanted_LG[rows[item], group] -= 1
            room_G[group] -= 1
            left[rows[item]] -= 1
    rest = shuffled[group_of[shuffled] < 0]
    group_of[rest] = np.repeat(np.arange(len(sizes)), room_G.astype(np.int64))
    return group_of


def _neediest(wanted_G: NDArray[np.float64], room_G: NDArray[np.float64], order: np.random.Generator) -> int:
    """Return the group with room that lacks most of a label; ties go to the most room, then to chance."""
    lacking = np.where(room_G > 0, wanted_G, -np.inf)
    most = np.flatnonzero(lacking == lacking.max())
    roomiest = most[room_G[most] == room_G[most].max()]
    return int(order.choice(roomiest)) if len(roomiest) > 1 else int(roomiest[0])


PARTS = ("train", "calibration", "validation", "test")
GIVEN_PARTS = ("train", "validation", "test")  # the parts that a data set or an ids file can name
DEFAULT_CALIBRATION = 0.1
DEFAULT_VALIDATION = 0.2
_NOTHING: Indices = np.zeros(0, dtype=np.int64)
_NOT_CONTENT = ("id", "idx", "cluster", "label", "labels")


@dataclass(frozen=True)
class Split:
    """Sorted, disjoint item indices per part; `duplicates` counts evaluation items whose content also trains.

    `calibration` items are neither trained on nor reported: thresholds are tuned on them.
    """

    train: Indices
    validation: Indices
    test: Indices
    calibration: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    duplicates: int = 0

    def part(self, name: str) -> Indices:
        """Return the indices of one of PARTS."""
        indices: Indices = getattr(self, name)
        return indices


class Divided(Protocol):
    """What a split needs from the task whose data it divides."""

    name: str

    @property
    def tunes(self) -> bool:
        """Whether the task tunes thresholds, on items set aside for that."""

    def strata(self, items: Sequence[Item]) -> Strata | None:
        """Return the labels of each item that every part should hold in proportion; None if there are none."""


def split_for(task: Divided, corpus: Corpus, split: SplitConfig, seed: int, fold: int | None = None) -> Split:
    """Return the split of a task's data: stratified if the task has strata, with a part to tune on if it needs one.

    Raises DataError for a split that the items or the task do not allow.
    """
    strata = None if split.stratify is False else task.strata(corpus.items)
    if split.stratify and strata is None:
        raise DataError(f"split.stratify: {task.name} has no strata: its items have labels of many kinds, or none")
    chosen = make_split(corpus.items, split, seed, fold, corpus.parts, strata, calibrate=task.tunes)
    if task.tunes and not len(chosen.test) and not len(chosen.calibration):
        raise DataError(
            f"split.calibration: {task.name} tunes its thresholds, and never on reported data: "
            "give it a share of the training part, or a test part, or set the thresholds in task_options"
        )
    return chosen


def make_split(
    items: Sequence[Item],
    split: SplitConfig,
    seed: int,
    fold: int | None = None,
    parts: Parts | None = None,
    strata: Strata | None = None,
    content: Callable[[Item], Hashable] | None = None,
    calibrate: bool = False,
) -> Split:
    """Return the split that the settings describe; equal arguments give equal splits on every machine.

    An ids file alone decides, if there is one. Else the data set's own test part stays as it is, unless the settings
    ask for another one, and the other items are divided into folds, as the settings say, or as the data set says.
    Items are drawn with `seed`, keeping the labels of `strata` (one set per item) in proportion. Part of the training
    part is then set aside to tune thresholds on: the share in the settings, or a tenth if `calibrate` is set and there
    is no test part. Raises DataError if a part would be empty, or if an id is unknown or used twice.
    """
    chosen = _indices(items, split, seed, fold, parts, strata)
    chosen |= _set_aside(chosen, split, seed, strata, calibrate)
    for name in ("train", "validation"):
        if not len(chosen[name]):
            raise DataError(f"split: no item is left for {name} ({len(items)} items)")
    return Split(**chosen, duplicates=_duplicates(items, chosen, content or _content))


def _set_aside(
    chosen: Mapping[str, Indices], split: SplitConfig, seed: int, strata: Strata | None, calibrate: bool
) -> dict[str, Indices]:
    """Divide the training part into calibration and train, and limit train to `train_items`."""
    share = split.calibration
    if share is None:
        share = DEFAULT_CALIBRATION if calibrate and not len(chosen["test"]) else 0.0
    train = chosen["train"]
    if not share and split.train_items is None:
        return {"train": train}
    num_calibration = round(len(train) * share)
    num_left = len(train) - num_calibration
    num_train = num_left if split.train_items is None else min(split.train_items, num_left)
    calibration, kept, _ = _drawn(train, [num_calibration, num_train, num_left - num_train], seed, strata)
    return {"calibration": calibration, "train": kept}


def ids_fingerprint(path: str | Path) -> str:
    """Return the SHA-256 (hex) of the ids in each part of an ids file, whatever their order or the file's layout."""
    ids = {part: sorted(map(str, values)) for part, values in _read_ids(Path(path)).items()}
    return hashlib.sha256(json.dumps(ids, sort_keys=True).encode()).hexdigest()


def _indices(
    items: Sequence[Item],
    split: SplitConfig,
    seed: int,
    fold: int | None,
    parts: Parts | None,
    strata: Strata | None,
) -> dict[str, Indices]:
    if split.ids is not None:
        return _from_ids(items, Path(split.ids))
    given = {name: np.sort(np.asarray(values, dtype=np.int64)) for name, values in (parts or {}).items()}
    if given and split.folds is None and split.validation is None and not split.test:
        return _as_given(given, seed, strata)
    test = _NOTHING if split.test else given.get("test", _NOTHING)
    pool = np.concatenate(list(given.values())) if given else np.arange(len(items))
    rest = np.setdiff1d(pool, test)
    num_test = round(len(rest) * split.test)
    if split.folds is not None:
        chosen = _from_fold(rest, num_test, split.folds, fold, seed, strata)
    else:
        share = DEFAULT_VALIDATION if split.validation is None else split.validation
        chosen = _cut(rest, num_test, round(len(rest) * share), seed, strata)
    return chosen if len(chosen["test"]) else chosen | {"test": test}


def _drawn(items: Indices, sizes: Sequence[int], seed: int, strata: Strata | None) -> list[Indices]:
    """Draw groups of these sizes, which together hold all items; each group is sorted."""
    own = None if strata is None else [strata[index] for index in items]
    return [np.sort(items[group]) for group in divide(len(items), sizes, np.random.default_rng(seed), own)]


def _cut(items: Indices, num_test: int, num_validation: int, seed: int, strata: Strata | None) -> dict[str, Indices]:
    sizes = (num_test, num_validation, len(items) - num_test - num_validation)
    return dict(zip(("test", "validation", "train"), _drawn(items, sizes, seed, strata), strict=True))


def _from_fold(
    items: Indices, num_test: int, folds: int, fold: int | None, seed: int, strata: Strata | None
) -> dict[str, Indices]:
    if fold is None or not 0 <= fold < folds:
        raise ValueError(f"fold must be between 0 and {folds - 1}, got {fold}")
    num_rest = len(items) - num_test
    if folds > num_rest:
        raise DataError(f"split.folds is {folds}, but there are only {num_rest} items")
    sizes = [num_rest // folds + (number < num_rest % folds) for number in range(folds)]
    test, *groups = _drawn(items, [num_test, *sizes], seed, strata)
    train = np.concatenate([group for number, group in enumerate(groups) if number != fold])
    return {"train": np.sort(train), "validation": groups[fold], "test": test}


def _as_given(given: Mapping[str, Indices], seed: int, strata: Strata | None) -> dict[str, Indices]:
    """Return the official parts; if none is for validation, a share of the training part stands in for it."""
    test = given.get("test", _NOTHING)
    if "validation" in given:
        return {"train": given["train"], "validation": given["validation"], "test": test}
    train = given["train"]
    return _cut(train, 0, round(len(train) * DEFAULT_VALIDATION), seed, strata) | {"test": test}


def _from_ids(items: Sequence[Item], path: Path) -> dict[str, Indices]:
    index = {str(item["id"]): position for position, item in enumerate(items)}
    taken: dict[str, str] = {}
    chosen: dict[str, Indices] = {}
    for part in GIVEN_PARTS:
        keys = [str(value) for value in _read_ids(path).get(part, [])]
        for key in keys:
            if key not in index:
                raise DataError(f"{path}: {part}: no item has the id {key}")
            if key in taken:
                raise DataError(f"{path}: the id {key} is in {taken[key]} and in {part}")
            taken[key] = part
        chosen[part] = np.sort(np.array([index[key] for key in keys], dtype=np.int64))
    return chosen


def _read_ids(path: Path) -> dict[str, list[Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"split.ids: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"split.ids: {path} is not JSON: {error}") from error
    if not isinstance(document, Mapping) or not set(document) <= set(GIVEN_PARTS):
        raise DataError(f"split.ids: {path} must be a JSON object with lists of ids under {', '.join(GIVEN_PARTS)}")
    for part, values in document.items():
        if not isinstance(values, list) or not all(isinstance(value, str | int) for value in values):
            raise DataError(f"split.ids: {path}: {part} must be a list of ids (text or whole numbers)")
    return dict(document)


def _content(item: Item) -> Hashable:
    """Return what a model sees of an item (neither its id nor its labels), as a value that can be compared."""
    return json.dumps({key: value for key, value in item.items() if key not in _NOT_CONTENT}, sort_keys=True)


def _duplicates(items: Sequence[Item], chosen: dict[str, Indices], content: Callable[[Item], Hashable]) -> int:
    trained = {content(items[index]) for index in chosen["train"]}
    evaluated = np.concatenate([chosen["validation"], chosen["test"]])
    return sum(content(items[index]) in trained for index in evaluated)
