"""How much power could a test have, given what it looks at? The bounds that the headline test is measured against.

Per cell the data are, to a very good approximation, two numbers: the mean difference D, normal with mean `difference`
and variance `seeds + items`, and an estimate of the variance between seeds over their number, `seeds` times a
chi-square over its degrees of freedom. Nobody knows the seed effect, so `seeds` may be anything from `answers` (no seed
effect: single answers are all that varies) upwards. A test that keeps its level for all of these is a solution of a
linear programme over cells of (|D|, variance between seeds), and the best one for a given truth is its optimum.
`answers` and `items` are taken as known, although a test has to estimate them: the bound is generous.

What the test looks at decides the degrees of freedom. A test of differences paired by seed has n - 1. With independent
seeds the two systems vary on their own: 2 (n - 1), if they are known to vary alike. So the bound for paired differences
is no bound for every test, and where seeds do not correlate an unpaired one beats it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, stats

Floats = NDArray[np.float64]
RATIOS, SIZES, SEED_EFFECTS = 50, 100, 60  # cells of the variance, of |D|, and variances at which the level must hold


@dataclass(frozen=True)
class Truth:
    """Mean difference of a situation and the parts of its variance; `seeds` contains `answers`."""

    difference: float
    answers: float
    seeds: float
    items: float


def truth_of(difference: Floats) -> Truth:
    """The parts by analysis of variance, from differences of hits [repetitions, seeds, items]."""
    number, units = difference.shape[1:]
    by_seed, by_item = difference.mean(axis=2, dtype=np.float64), difference.mean(axis=1, dtype=np.float64)
    mean = by_seed.mean(axis=1)
    rest = (difference.astype(np.float64) ** 2).mean(axis=(1, 2)) + mean**2
    rest -= (by_seed**2).mean(axis=1) + (by_item**2).mean(axis=1)
    answers = float(rest.mean()) / ((units - 1) * (number - 1))
    seeds = float(by_seed.var(axis=1, ddof=1).mean()) / number
    items = float(by_item.var(axis=1, ddof=1).mean()) / units - answers
    return Truth(float(mean.mean()), answers, max(seeds, answers), max(0.0, items))


def best_power(truth: Truth, df: int, alpha: float) -> float:
    """The largest power against `truth` of a test whose level is `alpha` for every seed effect.

    It sees the variance between seeds with `df` degrees of freedom, and nothing else of single seeds.
    """
    spread = np.sqrt(truth.seeds + truth.items)
    ratios = np.concatenate([[0], truth.seeds * np.geomspace(0.02, 60, RATIOS), [np.inf]])
    sizes = spread * np.concatenate([np.linspace(0, 10, SIZES), np.geomspace(10.2, 300, 20), [np.inf]])
    effects = truth.answers * np.geomspace(1, 1000, SEED_EFFECTS)
    level = [_chances(ratios, sizes, df, effect, truth.items, 0.0) for effect in effects]
    wanted = _chances(ratios, sizes, df, truth.seeds, truth.items, truth.difference)
    monotone = _monotone(len(ratios) - 1, len(sizes) - 1)
    found = optimize.linprog(
        -wanted,
        A_ub=sparse.vstack([sparse.csr_matrix(np.array(level)), monotone]),
        b_ub=np.concatenate([np.full(len(level), alpha), np.zeros(monotone.shape[0])]),
        bounds=(0, 1),
        method="highs",
    )
    return float(-found.fun)


def _chances(ratios: Floats, sizes: Floats, df: int, variance: float, items: float, difference: float) -> Floats:
    """Chance of every cell, flat, where the variance by seeds is `variance`."""
    of_ratios = np.diff(stats.chi2.cdf(df * ratios / variance, df))
    error = np.sqrt(variance + items)
    of_sizes = np.diff(stats.norm.cdf((sizes - difference) / error) - stats.norm.cdf((-sizes - difference) / error))
    found: Floats = np.outer(of_ratios, of_sizes).ravel()
    return found


def _monotone(rows: int, columns: int) -> sparse.csr_matrix:
    """A larger difference is never rejected less often than a smaller one at the same variance."""
    place = np.arange(rows * columns).reshape(rows, columns)
    smaller, larger = place[:, :-1].ravel(), place[:, 1:].ravel()
    row = np.arange(len(smaller))
    values = np.concatenate([np.ones(len(row)), -np.ones(len(row))])
    where = (np.concatenate([row, row]), np.concatenate([smaller, larger]))
    return sparse.csr_matrix((values, where), shape=(len(row), rows * columns))
