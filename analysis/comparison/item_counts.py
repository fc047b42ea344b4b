"""Counts one metric over the items that all runs share: the input of tests over items and seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import registry
from analysis.inference.resampling import compact
from analysis.metrics import Answers, Metric, labels_of
from analysis.tables.foreign.items import GIVEN_SCORE

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_TOLERANCE = 1e-6  # of a score recomputed from its predictions


class NotShared(ValueError):
    """The runs share no set of evaluated items from which to compute their scores; the message says why."""


@dataclass(frozen=True, eq=False)
class ItemCounts:
    """Counts [units, S] of every scored run; `index_of` maps a run's row in the frame to its index in `counts`.

    A unit is what is resampled: an item (sentence, pair, tweet, question), or a cluster of related items.
    `baseline` is the score of always predicting the most frequent gold label. `is_given`: another tool scored them.
    """

    counts: tuple[NDArray[Any], ...]
    index_of: dict[int, int]
    value: Callable[[Floats], Floats]
    num_items: int
    num_units: int
    clustered: bool
    baseline: float | None
    is_given: bool = False

    @property
    def unit(self) -> str:
        """What is resampled, in words."""
        return "clusters of items" if self.clustered else "items"


@dataclass(frozen=True, eq=False)
class _Reference:
    """The evaluated entries in order: code and number of the item, position, gold; and the unit of each item."""

    items: Codes
    numbers: Codes
    positions: Codes
    gold_codes: Codes
    gold: list[Any]
    units: Codes
    clustered: bool
    labels: tuple[str, ...]


def read_item_counts(runs: pd.DataFrame, predictions: pd.DataFrame, metric: str) -> ItemCounts:
    """Return the counts of all scored runs, over the same items in the same order.

    Runs that an earlier version recorded may have smaller clusters than others; the largest ones are resampled.
    Raises NotShared where a run lacks predictions, runs were evaluated on different items, the metric cannot be
    computed from predictions, or a recorded score is not the score of the predictions beside it.
    """
    scored = np.flatnonzero(runs["score"].notna().to_numpy())
    if predictions.empty or "run_id" not in runs.columns or len(scored) == 0:
        raise NotShared("there are no item predictions")
    definition = _metric(metric, predictions)
    frame = _coded(_of_scored_part(runs.iloc[scored], predictions), definition.said)
    rows = {str(run_id): own for run_id, own in frame.groupby("run_id", sort=False).indices.items()}
    names = runs["run_id"].astype(str).to_numpy()
    missing = [run for run in scored if names[run] not in rows]
    if missing:
        raise NotShared(f"{len(missing)} of {len(scored)} runs have no item predictions, first {names[missing[0]]}")
    labels = labels_of(predictions["labels"].dropna().tolist()[:1]) if "labels" in predictions.columns else ()
    of_runs = [rows[str(names[run])] for run in scored]
    as_long = [own for own in of_runs if len(own) == len(of_runs[0])]
    coarsest = min(as_long, key=lambda own: _num_units(frame, own))
    reference = _reference(frame.iloc[_ordered(frame, coarsest)], labels)
    counts = []
    for run in scored:
        own = frame.iloc[_ordered(frame, rows[names[run]])]
        counts.append(_counts(own, reference, definition, runs.iloc[run]))
    return ItemCounts(
        counts=tuple(counts),
        index_of={int(run): index for index, run in enumerate(scored)},
        value=definition.value,
        num_items=int(reference.numbers[-1]) + 1,
        num_units=int(reference.units.max()) + 1,
        clustered=reference.clustered,
        baseline=_baseline(reference, definition),
        is_given=definition.said == GIVEN_SCORE,
    )


def _metric(name: str, predictions: pd.DataFrame) -> Metric:
    """Return the metric that a run's score is: where items have scores of their own, their mean, whatever its name."""
    if GIVEN_SCORE in predictions.columns and predictions[GIVEN_SCORE].notna().all():
        return Metric(name, name, "mean score of the items", _sums, _mean, said=GIVEN_SCORE)
    try:
        metric: Metric = registry.load("metric", name)
    except registry.UnknownName:
        raise NotShared(f"{name} cannot be computed from item predictions") from None
    return metric


def _sums(scored: Answers) -> Floats:
    """Return the score and the number of entries of each item."""
    scores = np.array(scored.predicted, dtype=np.float64)
    totals = np.bincount(scored.items, weights=scores, minlength=scored.num_items)
    return np.stack([totals, np.bincount(scored.items, minlength=scored.num_items).astype(np.float64)], axis=1)


def _mean(sums: Floats) -> Floats:
    means: Floats = sums[..., 0] / sums[..., 1]
    return means


def _of_scored_part(scored: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of these runs on the part of the data that was scored."""
    own = predictions[predictions["run_id"].isin(scored["run_id"])]
    parts = scored.set_index("run_id")["score_split"] if "score_split" in scored.columns else None
    if parts is not None and parts.notna().all():
        own = own[own["split"] == own["run_id"].map(parts)]
    elif own["split"].nunique() > 1:
        raise NotShared("the predictions cover several parts of the data, and the runs do not say which was scored")
    if own.empty:
        raise NotShared("there are no item predictions")
    return own


def _coded(own: pd.DataFrame, predicted: str) -> pd.DataFrame:
    """Return items and gold labels as codes shared by all runs, and the column `predicted` with None if missing."""
    absent = [name for name in ("item", "gold", predicted) if name not in own.columns]
    if absent:
        raise NotShared(f"the predictions have no column {absent[0]}")
    positions = own["position"] if "position" in own.columns else pd.Series(0, index=own.index)
    cluster = own["cluster"] if "cluster" in own.columns else pd.Series(None, index=own.index, dtype=object)
    return pd.DataFrame(
        {
            "run_id": own["run_id"].astype(str).to_numpy(),
            "item": pd.factorize(own["item"], sort=True)[0],
            "position": positions.fillna(0).astype("int64").to_numpy(),
            "gold_code": pd.factorize(own["gold"])[0],
            "gold": _entries(own["gold"]),
            "predicted": _entries(own[predicted]),
            "cluster": pd.factorize(cluster)[0],
        }
    )


def _entries(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the column with None for missing values: pandas would restore NaN, which a metric takes for a class."""
    present = column.notna().tolist()
    entries = [value if known else None for value, known in zip(column.tolist(), present, strict=True)]
    return pd.Series(entries, dtype=object)


def _ordered(frame: pd.DataFrame, rows: Any) -> Codes:
    items, positions = frame["item"].to_numpy()[rows], frame["position"].to_numpy()[rows]
    order: Codes = np.asarray(rows, dtype=np.int64)[np.lexsort((positions, items))]
    return order


def _num_units(frame: pd.DataFrame, rows: Any) -> int:
    """Return how many units one run's items form: the fewer, the larger its clusters."""
    clusters, items = frame["cluster"].to_numpy()[rows], frame["item"].to_numpy()[rows]
    return len(np.unique(clusters[clusters >= 0])) + len(np.unique(items[clusters < 0]))


def _reference(first: pd.DataFrame, label_space: tuple[str, ...]) -> _Reference:
    numbers = np.unique(first["item"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    cluster = first["cluster"].to_numpy()[starts]
    alone = cluster < 0
    labels = np.where(alone, cluster.max(initial=-1) + 1 + np.arange(len(starts)), cluster)
    units = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return _Reference(
        items=first["item"].to_numpy(),
        numbers=numbers,
        positions=first["position"].to_numpy(),
        gold_codes=first["gold_code"].to_numpy(),
        gold=first["gold"].tolist(),
        units=units,
        clustered=bool((~alone).any()),
        labels=label_space,
    )


def _counts(own: pd.DataFrame, reference: _Reference, metric: Metric, run: pd.Series[Any]) -> NDArray[Any]:
    name = f"{run['system']} seed {run['seed']}"
    same = len(own) == len(reference.items) and all(
        np.array_equal(own[column].to_numpy(), codes)
        for column, codes in (("item", reference.items), ("position", reference.positions))
    )
    if not same:
        raise NotShared(f"the runs were not evaluated on the same items (first difference: {name})")
    if not np.array_equal(own["gold_code"].to_numpy(), reference.gold_codes):
        raise NotShared(f"the runs have different gold labels (first difference: {name})")
    try:
        counts = metric.counts(_answers(reference, own["predicted"].tolist()))
    except ValueError as error:
        raise NotShared(f"{metric.name} of the predictions of {name}: {error}") from error
    score = float(metric.value(counts.sum(axis=0)))
    if not abs(score - run["score"]) <= _TOLERANCE:
        raise NotShared(f"{metric.name} of the predictions of {name} is {score:.6g}, its score is {run['score']:.6g}")
    return compact(_by_unit(counts, reference.units))


def _answers(reference: _Reference, predicted: list[Any]) -> Answers:
    return Answers(reference.gold, predicted, reference.numbers, int(reference.numbers[-1]) + 1, reference.labels)


def _by_unit(counts: Floats, units: Codes) -> Floats:
    """Sum the counts of items over the units that are resampled."""
    number = int(units.max()) + 1
    if number == len(counts) and np.array_equal(units, np.arange(number)):
        return counts
    summed = np.zeros((number, counts.shape[1]))
    np.add.at(summed, units, counts)
    return summed


def _baseline(reference: _Reference, metric: Metric) -> float | None:
    """Return the score of the majority label; None for metrics of other columns (such as text spans or subwords)."""
    if metric.said != "predicted":
        return None
    codes, numbers = np.unique(reference.gold_codes, return_counts=True)
    first = int(np.flatnonzero(reference.gold_codes == codes[np.argmax(numbers)])[0])
    majority = [reference.gold[first]] * len(reference.gold)
    try:
        counts = metric.counts(_answers(reference, majority))
    except ValueError:
        return None
    return float(metric.value(counts.sum(axis=0)))
