"""Counts one metric over the items that all runs share: the input of tests over items and seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import registry
from analysis.inference.jackknife import bell_mccaffrey_df, effective_clusters, too_unequal
from analysis.inference.resampling import compact
from analysis.metrics import Answers, Metric, labels_of
from analysis.tables.foreign.items import GIVEN_SCORE

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

FEWEST_ITEMS = 5
MOST_LEFT_OUT = 0.05  # of the items, for a verdict over those that all runs have
_TOLERANCE = 1e-6  # of a score recomputed from its predictions


class NotShared(ValueError):
    """The runs share no set of evaluated items from which to compute their scores; the message says why."""


@dataclass(frozen=True, eq=False)
class ItemCounts:
    """Counts [units, S] of every run with predictions; `index_of` maps a run's row in the frame to its index in both.

    A unit is what is resampled: an item (sentence, pair, tweet, question), or a cluster of related items; `unit_sizes`
    are their items. `scores` are those of the runs on these items. `left_out` items are not answered by every run, and
    `without_predictions` names the runs that have none at all. `baseline` is the score of always predicting the most
    frequent gold label, `baseline_counts` are its counts. `rarest` is the class with the fewest items and their number,
    where the metric is a mean over classes. `is_given`: another tool scored the items.
    """

    counts: tuple[NDArray[Any], ...]
    scores: Floats
    index_of: dict[int, int]
    value: Callable[[Floats], Floats]
    num_items: int
    unit_sizes: Codes
    clustered: bool
    baseline: float | None
    baseline_counts: NDArray[Any] | None = None
    left_out: int = 0
    without_predictions: tuple[str, ...] = ()
    rarest: tuple[str, int] | None = None
    is_given: bool = False

    @property
    def unit(self) -> str:
        """What is resampled, in words."""
        return "clusters of items" if self.clustered else "items"

    @property
    def num_units(self) -> int:
        """How many units are resampled."""
        return len(self.unit_sizes)

    @property
    def degrees_of_freedom(self) -> float:
        """Degrees of freedom of a variance over the units."""
        return bell_mccaffrey_df(self.unit_sizes)

    @property
    def effective_units(self) -> float:
        """How many units of equal size weigh as much as these."""
        return effective_clusters(self.unit_sizes)

    def with_baseline(self, runs: Iterable[int]) -> ItemCounts | None:
        """Return the counts with these further runs, each answering the majority label; None without such counts."""
        added = [run for run in runs if run not in self.index_of]
        if self.baseline_counts is None:
            return None
        score = float(self.value(self.baseline_counts.sum(axis=0, dtype=np.float64)))
        places = {run: len(self.counts) + number for number, run in enumerate(added)}
        return replace(
            self,
            counts=(*self.counts, *[self.baseline_counts] * len(added)),
            scores=np.append(self.scores, [score] * len(added)),
            index_of={**self.index_of, **places},
        )

    @property
    def refusal(self) -> str | None:
        """Why these items allow no verdict, or None."""
        evaluated = self.num_items + self.left_out
        if self.left_out > MOST_LEFT_OUT * evaluated:
            return (
                f"the runs have only {self.num_items} of {evaluated} evaluated items in common, and at most "
                f"{MOST_LEFT_OUT:.0%} may be missing: evaluate all runs on the same items"
            )
        if self.clustered:
            return too_unequal(self.unit_sizes)
        few = 1 < self.num_units < FEWEST_ITEMS
        return f"only {self.num_units} items: a verdict over new items needs at least {FEWEST_ITEMS}" if few else None


@dataclass(frozen=True, eq=False)
class _Reference:
    """The evaluated entries in order: code of the item and position, gold; and the unit of each shared item."""

    items: Codes
    positions: Codes
    gold_codes: Codes
    gold: list[Any]
    shared: Codes
    units: Codes
    clustered: bool
    labels: tuple[str, ...]


def read_item_counts(runs: pd.DataFrame, predictions: pd.DataFrame, metric: str) -> ItemCounts:
    """Return the counts of all scored runs, over the items that all of them answered, in the same order.

    Items that share a cluster in any run are resampled together: runs that an earlier version recorded may have smaller
    ones. Runs without any predictions are left out. Raises NotShared where a system has no predictions, the runs share
    no item, the metric cannot be computed from predictions, or a recorded score is not the score of the predictions
    beside it.
    """
    scored = np.flatnonzero(runs["score"].notna().to_numpy())
    if predictions.empty or "run_id" not in runs.columns or len(scored) == 0:
        raise NotShared("there are no item predictions")
    definition = _metric(metric, predictions)
    frame = _coded(_of_scored_part(runs.iloc[scored], predictions), definition.said)
    labels = labels_of(predictions["labels"].dropna().tolist()[:1]) if "labels" in predictions.columns else ()
    rows = {str(run_id): own for run_id, own in frame.groupby("run_id", sort=False).indices.items()}
    names = runs["run_id"].astype(str).to_numpy()
    answered = [int(run) for run in scored if names[run] in rows]
    missing = [int(run) for run in scored if names[run] not in rows]
    _require_all_systems(runs, answered, missing)
    own = [frame.iloc[_ordered(frame, rows[names[run]])] for run in answered]
    reference = _reference(own, labels)
    counts = [_counts(said, reference, definition, runs.iloc[run]) for said, run in zip(own, answered, strict=True)]
    baseline = _baseline(reference, definition)
    return ItemCounts(
        counts=tuple(compact(_by_unit(run, reference.units)) for run in counts),
        scores=np.array([float(definition.value(run.sum(axis=0))) for run in counts]),
        index_of={run: index for index, run in enumerate(answered)},
        value=definition.value,
        num_items=len(reference.shared),
        unit_sizes=np.bincount(reference.units),
        clustered=reference.clustered,
        baseline=None if baseline is None else float(definition.value(baseline.sum(axis=0))),
        baseline_counts=None
        if baseline is None
        else compact(_by_unit(_of_shared(baseline, reference), reference.units)),
        left_out=len(np.unique(reference.items)) - len(reference.shared),
        without_predictions=tuple(_name(runs.iloc[run]) for run in missing),
        rarest=_rarest(reference, definition),
        is_given=definition.said == GIVEN_SCORE,
    )


def _require_all_systems(runs: pd.DataFrame, answered: list[int], missing: list[int]) -> None:
    """Raise NotShared where a system has scores, but no predictions at all."""
    known = set(runs["system"].iloc[answered])
    alone = [run for run in missing if runs["system"].iloc[run] not in known]
    if alone:
        number = len(missing) + len(answered)
        raise NotShared(f"{len(missing)} of {number} runs have no item predictions, first {_name(runs.iloc[alone[0]])}")


def _name(run: pd.Series[Any]) -> str:
    return f"{run['system']} seed {run['seed']}"


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


def _reference(own: list[pd.DataFrame], label_space: tuple[str, ...]) -> _Reference:
    """Return the entries that any run answered, and the items that all of them answered in full."""
    everything = _all_entries(own)
    items = everything["item"].to_numpy()
    evaluated = np.unique(items)
    shared = np.setdiff1d(evaluated, _incomplete(own, everything))
    if not len(shared):
        raise NotShared("the runs have no evaluated item in common")
    units, clustered = _units(own, shared)
    return _Reference(
        items=items,
        positions=everything["position"].to_numpy(),
        gold_codes=everything["gold_code"].to_numpy(),
        gold=everything["gold"].tolist(),
        shared=shared,
        units=units,
        clustered=clustered,
        labels=label_space,
    )


def _units(own: list[pd.DataFrame], shared: Codes) -> tuple[Codes, bool]:
    """Return the unit of each shared item, and whether any has a cluster; what any run joins is one unit."""
    from scipy import sparse
    from scipy.sparse import csgraph

    joined: list[tuple[Codes, Codes]] = []
    for said in own:
        has = (said["cluster"].to_numpy() >= 0) & np.isin(said["item"].to_numpy(), shared)
        items = np.searchsorted(shared, said["item"].to_numpy()[has])
        clusters = len(shared) + said["cluster"].to_numpy()[has]
        if not joined or not (np.array_equal(items, joined[-1][0]) and np.array_equal(clusters, joined[-1][1])):
            joined.append((items, clusters))
    items, clusters = (np.concatenate(codes) for codes in zip(*joined, strict=True))
    if not len(items):
        return np.arange(len(shared)), False
    size = int(clusters.max()) + 1
    graph = sparse.coo_array((np.ones(len(items)), (items, clusters)), shape=(size, size))
    components = csgraph.connected_components(graph, directed=False)[1][: len(shared)]
    return np.unique(components, return_inverse=True)[1].astype(np.int64), True


def _all_entries(own: list[pd.DataFrame]) -> pd.DataFrame:
    """Return every entry once, in order; nothing is joined where all runs answered the same."""
    first = own[0]
    if all(_same_entries(first, said) for said in own[1:]):
        return first
    joined = pd.concat(own).drop_duplicates(["item", "position"])
    return joined.sort_values(["item", "position"], kind="stable")


def _same_entries(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    return len(first) == len(other) and all(
        np.array_equal(first[column].to_numpy(), other[column].to_numpy()) for column in ("item", "position")
    )


def _incomplete(own: list[pd.DataFrame], everything: pd.DataFrame) -> Codes:
    """Return the items of which some run lacks an entry."""
    keys = pd.MultiIndex.from_frame(everything[["item", "position"]])
    absent = [np.zeros(0, dtype=np.int64)]
    for said in own:
        if not _same_entries(everything, said):
            has = keys.isin(pd.MultiIndex.from_frame(said[["item", "position"]]))
            absent.append(everything["item"].to_numpy()[~has])
    return np.unique(np.concatenate(absent))


def _counts(own: pd.DataFrame, reference: _Reference, metric: Metric, run: pd.Series[Any]) -> Floats:
    """Return the counts of a run on the shared items, [items, S]; its score must be that of all its predictions."""
    items, positions = own["item"].to_numpy(), own["position"].to_numpy()
    complete = len(items) == len(reference.items)
    place = _places(items, positions, reference)
    if not np.array_equal(own["gold_code"].to_numpy(), reference.gold_codes[place]):
        raise NotShared(f"the runs have different gold labels (first difference: {_name(run)})")
    answered, numbers = np.unique(items, return_inverse=True)
    said = Answers(own["gold"].tolist(), own["predicted"].tolist(), numbers, len(answered), reference.labels)
    try:
        counts = metric.counts(said)
    except ValueError as error:
        raise NotShared(f"{metric.name} of the predictions of {_name(run)}: {error}") from error
    score = float(metric.value(counts.sum(axis=0)))
    if complete and not abs(score - run["score"]) <= _TOLERANCE:
        raise NotShared(
            f"{metric.name} of the predictions of {_name(run)} is {score:.6g}, its score is {run['score']:.6g}"
        )
    shared: Floats = counts[np.isin(answered, reference.shared)]
    return shared


def _places(items: Codes, positions: Codes, reference: _Reference) -> Codes:
    """Return where a run's entries are among all entries."""
    if len(items) == len(reference.items):
        return np.arange(len(items))
    all_entries = pd.MultiIndex.from_arrays([reference.items, reference.positions])
    places: Codes = all_entries.get_indexer(pd.MultiIndex.from_arrays([items, positions])).astype(np.int64)
    return places


def _by_unit(counts: Floats, units: Codes) -> Floats:
    """Sum the counts of items over the units that are resampled."""
    number = int(units.max()) + 1
    if number == len(counts) and np.array_equal(units, np.arange(number)):
        return counts
    summed = np.zeros((number, counts.shape[1]))
    np.add.at(summed, units, counts)
    return summed


def _baseline(reference: _Reference, metric: Metric) -> Floats | None:
    """Return the counts [items, S] of the majority label; None for metrics of other columns (text spans, subwords)."""
    if metric.said != "predicted":
        return None
    codes, numbers = np.unique(reference.gold_codes, return_counts=True)
    first = int(np.flatnonzero(reference.gold_codes == codes[np.argmax(numbers)])[0])
    majority = [reference.gold[first]] * len(reference.gold)
    evaluated, entries = np.unique(reference.items, return_inverse=True)
    try:
        return metric.counts(Answers(reference.gold, majority, entries, len(evaluated), reference.labels))
    except ValueError:
        return None


def _of_shared(counts: Floats, reference: _Reference) -> Floats:
    """Return the rows of the shared items, given one row for each evaluated item."""
    rows: Floats = counts[np.isin(np.unique(reference.items), reference.shared)]
    return rows


def _rarest(reference: _Reference, metric: Metric) -> tuple[str, int] | None:
    if metric.rarest is None:
        return None
    kept = np.isin(reference.items, reference.shared)
    numbers = np.unique(reference.items[kept], return_inverse=True)[1].astype(np.int64)
    gold = list(itertools.compress(reference.gold, kept))
    return metric.rarest(Answers(gold, gold, numbers, len(reference.shared), reference.labels))
