"""Resamples scores: items are drawn with replacement as weights, and every run is scored under the same draws.

A metric is a value of sums of counts over items, so B resamples of R runs are one matrix product, done in chunks that
bound memory for any B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Value = Callable[[Floats], Floats]

_CHUNK_CELLS = 4_000_000  # weights in memory at a time: 16 MB in single precision
_GROUP_COLUMNS = 512  # columns of one matrix product
_DECIMALS = 10  # further digits depend on the order of a floating-point sum


def draw_weights(generator: np.random.Generator, resamples: int, units: int) -> Iterator[NDArray[np.float32]]:
    """Draw how often each of `units` occurs: chunks [b, units], `resamples` rows in all, each summing to units."""
    size = max(1, _CHUNK_CELLS // units)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(0, units, size=(rows, units), dtype=np.int32).astype(np.int64)
        drawn += np.arange(rows, dtype=np.int64)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float32)


def resampled_scores(
    counts: Sequence[NDArray[Any]], value: Value, resamples: int, generator: np.random.Generator
) -> Floats:
    """Return scores [resamples, R] of R runs; `counts` [units, S] is what a unit adds to the sums that `value` reads.

    Whole numbers are summed exactly in single precision (up to 2^24), others in double precision.
    """
    scores = np.empty((resamples, len(counts)))
    groups = _groups([run.shape[1] for run in counts])
    done = 0
    for weights in draw_weights(generator, resamples, len(counts[0])):
        rows = slice(done, done + len(weights))
        for members in groups:
            _score_group(scores[rows], weights, [counts[run] for run in members], members, value)
        done += len(weights)
    return np.round(scores, _DECIMALS)


def compact(counts: Floats) -> NDArray[Any]:
    """Return the same counts in the smallest type that holds them exactly."""
    whole = bool((counts == np.round(counts)).all()) and float(counts.min(initial=0)) >= 0
    largest = float(counts.max(initial=0))
    if whole and largest < 256:
        return counts.astype(np.uint8)
    return counts.astype(np.float32) if whole and largest < 2**20 else counts


def _groups(widths: Sequence[int]) -> list[list[int]]:
    """Group runs whose columns fit into one matrix product."""
    groups: list[list[int]] = []
    filled = _GROUP_COLUMNS
    for run, width in enumerate(widths):
        if filled + width > _GROUP_COLUMNS:
            groups.append([])
            filled = 0
        groups[-1].append(run)
        filled += width
    return groups


def _score_group(
    scores: Floats, weights: NDArray[np.float32], counts: Sequence[NDArray[Any]], members: Sequence[int], value: Value
) -> None:
    exact = all(run.dtype != np.float64 for run in counts)
    stacked = np.concatenate([run.astype(np.float32 if exact else np.float64) for run in counts], axis=1)
    sums = (weights @ stacked).astype(np.float64)
    edges = np.cumsum([run.shape[1] for run in counts])[:-1]
    for run, own in zip(members, np.split(sums, edges, axis=1), strict=True):
        scores[:, run] = value(own)
