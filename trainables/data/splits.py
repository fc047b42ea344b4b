"""Decides which items train, choose the epoch (validation) and are reported (test), from items, settings and seed.

Each part holds every label in proportion (`stratification.py`). Items that share a cluster stay in one part, unless the
settings divide clusters, or the parts are given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from trainables.config import SplitConfig
from trainables.data.clusters import shared_clusters
from trainables.data.dataset import Corpus, DataError, Item, Parts
from trainables.data.stratification import Indices, Strata, cluster_order, divide, divide_whole

PARTS = ("train", "calibration", "validation", "test")
GIVEN_PARTS = ("train", "validation", "test")  # the parts that a data set or an ids file can name
DEFAULT_CALIBRATION = 0.1
DEFAULT_VALIDATION = 0.2
_NOTHING: Indices = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Split:
    """Sorted, disjoint item indices per part.

    `calibration` items are neither trained on nor reported: thresholds are tuned on them.
    """

    train: Indices
    validation: Indices
    test: Indices
    calibration: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def part(self, name: str) -> Indices:
        """Return the indices of one of PARTS."""
        indices: Indices = getattr(self, name)
        return indices


class Divided(Protocol):
    """What a split needs from the task whose data it divides."""

    name: str
    fields: tuple[str, ...]

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
    clusters = clusters_to_keep(task, corpus, split)
    chosen = make_split(corpus.items, split, seed, fold, corpus.parts, strata, clusters, calibrate=task.tunes)
    if task.tunes and not len(chosen.test) and not len(chosen.calibration):
        raise DataError(
            f"split.calibration: {task.name} tunes its thresholds, and never on reported data: "
            "give it a share of the training part, or a test part, or set the thresholds in task_options"
        )
    return chosen


def clusters_to_keep(task: Divided, corpus: Corpus, split: SplitConfig) -> Indices | None:
    """Return the number of each item's cluster if clusters stay whole in what is drawn; else None.

    Raises DataError if `split.clusters` is set and decides nothing here.
    """
    drawn = draws(split, corpus.parts, task.tunes)
    if split.clusters is not None and not drawn:
        raise DataError("the parts of these data are given: split.clusters decides nothing; remove it")
    clusters = shared_clusters(corpus.items, task.fields) if drawn else None
    if split.clusters is not None and clusters is None:
        raise DataError(
            "no two items share a cluster: split.clusters decides nothing; name the column that holds it in "
            "data.columns (cluster: COLUMN), or remove the key"
        )
    return None if split.clusters == "divided" else clusters


def draws(split: SplitConfig, parts: Parts | None, tunes: bool) -> bool:
    """Return whether the border between two parts is drawn, instead of given by an ids file or by the data set.

    `train_items` alone draws none: the items that it leaves out are in no part.
    """
    if split.calibration:
        return True
    needs_calibration = tunes and split.calibration is None
    if split.ids is not None:
        return needs_calibration and not _read_ids(Path(split.ids)).get("test")
    if not parts or split.folds is not None or split.validation is not None or split.test:
        return True
    return "validation" not in parts or (needs_calibration and "test" not in parts)


def make_split(
    items: Sequence[Item],
    split: SplitConfig,
    seed: int,
    fold: int | None = None,
    parts: Parts | None = None,
    strata: Strata | None = None,
    clusters: Indices | None = None,
    calibrate: bool = False,
) -> Split:
    """Return the split that the settings describe; equal arguments give equal splits on every machine.

    An ids file alone decides, if there is one. Else the data set's own test part stays as it is, unless the settings
    ask for another one, and the other items are divided into folds, as the settings say, or as the data set says.
    Items are drawn with `seed`, keeping the labels of `strata` (one set per item) in proportion, and the items of one
    cluster (`clusters` has its number for each item) together. Part of the training part is then set aside to tune
    thresholds on: the share in the settings, or a tenth if `calibrate` is set and there is no test part. Raises
    DataError if a part would be empty, or if an id is unknown or used twice.
    """
    drawing = Drawing(seed, strata, clusters)
    chosen = _indices(items, split, fold, parts, drawing)
    chosen |= _set_aside(chosen, split, drawing, calibrate)
    for name in ("train", "validation"):
        if not len(chosen[name]):
            raise DataError(f"split: no item is left for {name} ({len(items)} items)")
    return Split(**chosen)


@dataclass(frozen=True)
class Drawing:
    """How items are drawn: from the seed, with the labels of `strata` in proportion, `clusters` [N] whole."""

    seed: int
    strata: Strata | None
    clusters: Indices | None

    def draw(self, items: Indices, sizes: Mapping[str, int]) -> dict[str, Indices]:
        """Draw groups of these sizes, which together hold all items; each group is sorted.

        Raises DataError if there are fewer clusters than groups.
        """
        order = np.random.default_rng(self.seed)
        if self.clusters is None:
            groups = divide(len(items), list(sizes.values()), order, self._strata(items))
        else:
            groups = self._whole(items, sizes, order)
        return {name: np.sort(items[group]) for name, group in zip(sizes, groups, strict=True)}

    def first(self, items: Indices, number: int) -> Indices:
        """Return `number` items: whole clusters in random order, as far as that many items reach."""
        assert self.clusters is not None, "single items are drawn with the other parts"
        order, clusters = np.random.default_rng(self.seed), _from_zero(self.clusters[items])
        place = np.argsort(cluster_order(clusters, order, self._strata(items)))
        shuffled = order.permutation(len(items))
        return np.sort(items[shuffled[np.argsort(place[clusters[shuffled]], kind="stable")[:number]]])

    def _strata(self, items: Indices) -> Strata | None:
        return None if self.strata is None else [self.strata[index] for index in items]

    def _whole(self, items: Indices, sizes: Mapping[str, int], order: np.random.Generator) -> list[Indices]:
        assert self.clusters is not None
        clusters = _from_zero(self.clusters[items])
        names = [name for name, size in sizes.items() if size]
        number = len(np.unique(clusters))
        if number < len(names):
            listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            raise DataError(
                f"split: {len(names)} parts ({listed}) need as many clusters, and there {_are(number)}: ask for fewer "
                "parts or folds, or write split.clusters: divided, which draws single items"
            )
        return divide_whole(clusters, list(sizes.values()), order, self._strata(items))


def _are(number: int) -> str:
    return "is 1" if number == 1 else f"are {number}"


def _from_zero(clusters: Indices) -> Indices:
    """Number the clusters that occur from 0."""
    numbers: Indices = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    return numbers


def _set_aside(
    chosen: Mapping[str, Indices], split: SplitConfig, drawing: Drawing, calibrate: bool
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
    if drawing.clusters is None:
        drawn = drawing.draw(
            train, {"calibration": num_calibration, "train": num_train, "unused": num_left - num_train}
        )
        return {name: drawn[name] for name in ("calibration", "train")}
    drawn = drawing.draw(train, {"calibration": num_calibration, "train": num_left})
    return drawn | {"train": drawing.first(drawn["train"], split.train_items or len(train))}


def ids_fingerprint(path: str | Path) -> str:
    """Return the SHA-256 (hex) of the ids in each part of an ids file, whatever their order or the file's layout."""
    ids = {part: sorted(map(str, values)) for part, values in _read_ids(Path(path)).items()}
    return hashlib.sha256(json.dumps(ids, sort_keys=True).encode()).hexdigest()


def _indices(
    items: Sequence[Item],
    split: SplitConfig,
    fold: int | None,
    parts: Parts | None,
    drawing: Drawing,
) -> dict[str, Indices]:
    if split.ids is not None:
        return _from_ids(items, Path(split.ids))
    given = {name: np.sort(np.asarray(values, dtype=np.int64)) for name, values in (parts or {}).items()}
    if given and split.folds is None and split.validation is None and not split.test:
        return _as_given(given, drawing)
    test = _NOTHING if split.test else given.get("test", _NOTHING)
    pool = np.concatenate(list(given.values())) if given else np.arange(len(items))
    rest = np.setdiff1d(pool, test)
    num_test = round(len(rest) * split.test)
    if split.folds is not None:
        chosen = _from_fold(rest, num_test, split.folds, fold, drawing)
    else:
        share = DEFAULT_VALIDATION if split.validation is None else split.validation
        chosen = _cut(rest, num_test, round(len(rest) * share), drawing)
    return chosen if len(chosen["test"]) else chosen | {"test": test}


def _cut(items: Indices, num_test: int, num_validation: int, drawing: Drawing) -> dict[str, Indices]:
    num_train = len(items) - num_test - num_validation
    return drawing.draw(items, {"test": num_test, "validation": num_validation, "train": num_train})


def _from_fold(items: Indices, num_test: int, folds: int, fold: int | None, drawing: Drawing) -> dict[str, Indices]:
    if fold is None or not 0 <= fold < folds:
        raise ValueError(f"fold must be between 0 and {folds - 1}, got {fold}")
    num_rest = len(items) - num_test
    if folds > num_rest:
        raise DataError(f"split.folds is {folds}, but there are only {num_rest} items")
    sizes = {f"fold {number}": num_rest // folds + (number < num_rest % folds) for number in range(folds)}
    groups = drawing.draw(items, {"test": num_test, **sizes})
    test, validation = groups.pop("test"), groups.pop(f"fold {fold}")
    return {"train": np.sort(np.concatenate(list(groups.values()))), "validation": validation, "test": test}


def _as_given(given: Mapping[str, Indices], drawing: Drawing) -> dict[str, Indices]:
    """Return the official parts; if none is for validation, a share of the training part stands in for it."""
    test = given.get("test", _NOTHING)
    if "validation" in given:
        return {"train": given["train"], "validation": given["validation"], "test": test}
    train = given["train"]
    return _cut(train, 0, round(len(train) * DEFAULT_VALIDATION), drawing) | {"test": test}


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
