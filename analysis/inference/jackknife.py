"""Measures how much each unit moves a score: the delete-one jackknife, for every value of summed counts.

A bootstrap of 186 items with two of a class sees only .6 to .8 of the true variance of macro F1, because many resamples
lack the class; leaving out one item at a time does not lose it. Unequal clusters are left out whole, which makes up for
the weight of large ones (MacKinnon, Nielsen and Webb 2023), and the degrees of freedom are those of Bell and McCaffrey
(2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Value = Callable[[Floats], Floats]

LARGEST_SHARE, FEWEST_EFFECTIVE = 1 / 3, 5.0
_ROUNDING = 1e-9
_CELLS = 2_000_000  # counts in memory at a time: 16 MB


def influences(counts: Sequence[NDArray[Any]], value: Value, sizes: NDArray[Any] | None = None) -> Floats:
    """Return [units, R] for R runs with `counts` [units, S]: sums of squares are variances of the runs' scores.

    A cell is the run's score minus its score without this unit, times the root of 1 - the smallest unit's share of the
    items (`sizes`; None: all are equal), which makes the variance of a mean over equal units exact. Sums of products of
    two columns are covariances. Raises ValueError below two units.
    """
    units = len(counts[0])
    if units < 2:
        raise ValueError(f"the jackknife leaves out one unit at a time and needs two of them, got {units}")
    moved = np.empty((units, len(counts)))
    for run, own in enumerate(counts):
        total = own.sum(axis=0, dtype=np.float64)
        score = value(total)
        rows = max(1, _CELLS // max(1, own.shape[1]))
        for start in range(0, units, rows):
            moved[start : start + rows, run] = score - value(total - own[start : start + rows])
    smallest = 1 / units if sizes is None else float(_shares(sizes).min())
    return moved * math.sqrt(1 - smallest)


def bell_mccaffrey_df(sizes: NDArray[Any]) -> float:
    """Return the degrees of freedom of the variance by clusters of these sizes: n - 1 if all n are equal."""
    if np.ptp(sizes) == 0:
        return float(len(sizes) - 1)
    share = _shares(sizes)
    pulled = share**2 / (1 - share)
    return float(1 / (np.sum(share**2) + np.sum(pulled) ** 2 - np.sum(pulled**2)))


def effective_clusters(sizes: NDArray[Any]) -> float:
    """Return how many clusters of equal size weigh as much as these: 1 over the sum of squared shares (Kish 1965)."""
    return float(1 / np.sum(_shares(sizes) ** 2))


def effective_number(moved: Floats) -> float:
    """Return on how many units the variance by n influences [n] rests: n if they are normal, fewer if few are large."""
    squares = float(np.sum(moved**2))
    spread = float(np.sum(moved**4)) - squares**2 / len(moved)
    return min(float(len(moved)), 2 * squares**2 / spread) if spread > 0 else float(len(moved))


def too_unequal(sizes: NDArray[Any]) -> str | None:
    """Return why clusters of these sizes allow no verdict over new items, or None."""
    if len(sizes) < 2:
        return f"all {int(np.sum(sizes))} items are in one cluster: a verdict over new items needs several"
    largest, effective = float(_shares(sizes).max()), effective_clusters(sizes)
    if largest > LARGEST_SHARE:
        return f"one of {len(sizes)} clusters holds {largest:.0%} of the items, and no more than a third is possible"
    if effective < FEWEST_EFFECTIVE - _ROUNDING:
        return f"the {len(sizes)} clusters weigh as much as {effective:.1f} equal ones, and at least 5 are needed"
    return None


def _shares(sizes: NDArray[Any]) -> Floats:
    shares: Floats = np.asarray(sizes, dtype=np.float64) / np.sum(sizes)
    return shares
