"""Ranks all systems: which may be the best, which ranks are possible, and how often each comes first.

A system is left out of the best set only if one of the others beats it at the one-sided level alpha / (k - 1). Only the
true best can be left out wrongly, so the set holds it with probability 1 - alpha, whatever the number of pairs (Hsu
1984, "Constrained simultaneous confidence intervals for multiple comparisons with the best"). That needs far fewer
seeds than a verdict on every pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.comparison.pair import Family, PairResult
from analysis.inference.pairing import ScoreGrid
from analysis.statistics.multi_bootstrap import answers_variance

Floats = NDArray[np.float64]
RANKING_COLUMNS = ("may_be_best", "rank_low", "rank_high", "p_best")
DRAWS, MOST_CELLS = 20_000, 10_000_000  # draws; draws times systems, for memory
_STREAM = 3 * 10**6  # of the generator; pairs and optional tests have lower numbers


@dataclass(frozen=True)
class Place:
    """Whether a system may be the best (None: not tested), its possible ranks, and how often it comes first.

    `rank_low` to `rank_high` hold for all systems together at 1 - alpha, as the corrected verdicts on pairs do.
    `p_best` is the share of joint draws of new seeds (and items, where they are known) in which it has the best mean: a
    description, not a test.
    """

    may_be_best: bool | None
    rank_low: int
    rank_high: int
    p_best: float | None


def rank_all(
    rows: Sequence[Mapping[str, Any]],
    results: Sequence[PairResult],
    family: Family,
    grid: ScoreGrid,
    systems: Sequence[str],
    generator_seed: int,
) -> dict[str, Place]:
    """Rank these systems, with the chance of each to be the best; {} where some pairs of them were not compared."""
    larger = family.config.direction == "maximize"
    ranked = rank(rows, results, systems, larger, family.config.alpha)
    chances = chances_of_best(family, grid, systems, larger, generator_seed) if ranked else {}
    return {name: replace(place, p_best=chances.get(name)) for name, place in ranked.items()}


def rank(
    rows: Sequence[Mapping[str, Any]], results: Sequence[PairResult], systems: Sequence[str], larger: bool, alpha: float
) -> dict[str, Place]:
    """Rank these systems by the pairs among them; {} where some pairs of them were not compared."""
    among = [
        (row, result) for row, result in zip(rows, results, strict=True) if row["a"] in systems and row["b"] in systems
    ]
    if len(systems) < 2 or len(among) < len(systems) * (len(systems) - 1) // 2:
        return {}
    level = alpha / (len(systems) - 1)
    beaten = {loser for row, result in among if (loser := _beaten(row, result, larger, level)) is not None}
    tested = {row[side] for row, _ in among if row["primary_p"] is not None for side in "ab"}
    above, below = dict.fromkeys(systems, 0), dict.fromkeys(systems, 0)
    for row, _ in among:
        if row["verdict"] in ("better", "worse"):
            winner, loser = ("a", "b") if row["verdict"] == "better" else ("b", "a")
            above[row[loser]] += 1
            below[row[winner]] += 1
    return {
        name: Place(name not in beaten if name in tested else None, 1 + above[name], len(systems) - below[name], None)
        for name in systems
    }


def _beaten(row: Mapping[str, Any], result: PairResult, larger: bool, level: float) -> str | None:
    """Return the system that is worse at this one-sided level, if the pair allows a verdict."""
    if row["primary_p"] is None or result.blocked is not None or row["primary_p"] / 2 >= level:
        return None
    return str(row["b"] if (row["mean_diff"] > 0) == larger else row["a"])


def chances_of_best(
    family: Family, grid: ScoreGrid, systems: Sequence[str], larger: bool, generator_seed: int
) -> dict[str, float]:
    """Return how often each system has the best mean in joint draws of new seeds and items; {} without an estimate.

    Items move all systems together (normal, with the covariance of their influences), seeds move the systems of one
    pairing together (Student's t).
    """
    if family.design.unit != "seed" or family.design.splits_vary or len(systems) < 2:
        return {}
    columns = [grid.systems.index(name) for name in systems]
    scores = grid.scores[:, columns]
    if ((~np.isnan(scores)).sum(axis=0) < 3).any():
        return {}
    generator, draws = np.random.default_rng((generator_seed, _STREAM)), min(DRAWS, MOST_CELLS // len(systems))
    drawn = np.nanmean(scores, axis=0) + _items(family, grid.rows[:, columns], scores, draws, generator)
    for members in _paired_groups(family, systems):
        own = scores[:, members]
        complete = own[~np.isnan(own).any(axis=1)]
        if len(complete) < 3:
            return {}
        drawn[:, members] += _seeds(complete, draws, generator)
    best = np.argmax(drawn if larger else -drawn, axis=1)
    counts = np.bincount(best, minlength=len(systems)) / draws
    return dict(zip(systems, counts.tolist(), strict=True))


def _items(
    family: Family, rows: NDArray[np.int64], scores: Floats, draws: int, generator: np.random.Generator
) -> Floats:
    """Draw what new items do to the mean of each system, [draws, systems]; zero where items are not resampled."""
    systems = scores.shape[1]
    if family.moved is None or family.items is None:
        return np.zeros((draws, systems))
    own = [
        family.moved[:, [family.items.index_of[int(run)] for run in rows[~np.isnan(scores[:, k]), k]]]
        for k in range(systems)
    ]
    on_means = np.stack([moved.mean(axis=1) for moved in own], axis=1)
    covariance = on_means.T @ on_means
    alone = np.array([answers_variance(moved) for moved in own])
    covariance[np.diag_indices(systems)] = np.maximum(covariance.diagonal() - alone, 0.0)
    return _normal(covariance, draws, generator)


def _seeds(complete: Floats, draws: int, generator: np.random.Generator) -> Floats:
    """Draw what new seeds do to the means of scores [n, systems] that are paired by row."""
    n = len(complete)
    covariance = np.atleast_2d(np.cov(complete, rowvar=False)) / n
    scale = np.sqrt((n - 1) / generator.chisquare(n - 1, size=(draws, 1)))
    drawn: Floats = scale * _normal(covariance, draws, generator)
    return drawn


def _normal(covariance: Floats, draws: int, generator: np.random.Generator) -> Floats:
    """Draw normal vectors with this covariance, [draws, systems]; rounding below zero counts as zero."""
    values, vectors = np.linalg.eigh(covariance)
    drawn: Floats = generator.normal(size=(draws, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return drawn


def _paired_groups(family: Family, systems: Sequence[str]) -> Iterator[list[int]]:
    """Yield the systems whose seeds belong together, as positions; every system is in one group."""
    left = list(range(len(systems)))
    while left:
        first = left[0]
        members = [k for k in left if k == first or family.seeds.of(systems[first], systems[k]) == "paired"]
        yield members
        left = [k for k in left if k not in members]
