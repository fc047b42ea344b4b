"""The headline test and its predecessor on many simulated families at once.

`tests/benchmarks/test_batched_tests.py` holds these against the product's own code, one family at a time. Legend: B
repetitions, K systems, S seeds, P pairs of systems, N items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.inference import welch_aspin
from analysis.inference.holm import holm
from analysis.inference.moderation import FEWEST_PAIRED_SYSTEMS, FEWEST_SYSTEMS, are_alike
from analysis.inference.shaffer import adjust

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Families:
    """Sufficient statistics: scores [B, K, S]; variances by items of what is compared.

    `shared` [B, K, K] is the covariance of the systems' means over seeds, `single` [B, K] the variance of a single run,
    averaged over seeds, and `single_pairs` [B, P] that of the difference of two runs with the same seed. `item_df` are
    the degrees of freedom of all of them.
    """

    scores: Floats
    shared: Floats
    single: Floats
    single_pairs: Floats
    item_df: float

    @property
    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The first and the second system of each pair."""
        return np.triu_indices(self.scores.shape[1], 1)

    @property
    def mean(self) -> Floats:
        """Mean differences [B, P]."""
        means = self.scores.mean(axis=2)
        a, b = self.pairs
        difference: Floats = means[:, a] - means[:, b]
        return difference


def of_items(values: NDArray[np.float32]) -> Families:
    """Return the statistics of whole-number scores of single items, [B, K, S, N], whose mean is a run's score."""
    items = values.shape[3]
    scores = values.mean(axis=3, dtype=np.float64)
    means = values.mean(axis=2, dtype=np.float64)
    means -= means.mean(axis=2, keepdims=True)
    scale = items * (items - 1)
    shared = means @ means.transpose(0, 2, 1) / scale
    squares = np.einsum("bksn,bksn->bks", values, values) - items * scores**2
    a, b = np.triu_indices(values.shape[1], 1)
    products = np.stack(
        [
            np.einsum("bsn,bsn->bs", values[:, i], values[:, j]) - items * scores[:, i] * scores[:, j]
            for i, j in zip(a, b, strict=True)
        ],
        axis=1,
    )
    single_pairs = (squares[:, a] + squares[:, b] - 2 * products).mean(axis=2) / scale
    return Families(scores, shared, squares.mean(axis=2) / scale, single_pairs, items - 1.0)


def independent_p(of: Families) -> Floats:
    """The headline test's p [B, P] where the seeds of different systems are independent."""
    a, b = of.pairs
    seeds = of.scores.shape[2]
    variances, df = _moderated(of.scores.var(axis=2, ddof=1), seeds - 1.0)
    first, second = variances[:, a] / seeds, variances[:, b] / seeds
    seed_df = (first + second) ** 2 / np.maximum((first**2 + second**2) / df[:, None], 1e-300)
    diagonal = np.einsum("bkk->bk", of.shared)
    answers = np.maximum((of.single - diagonal) / (seeds - 1), 0.0)
    of_items = diagonal[:, a] + diagonal[:, b] - 2 * of.shared[:, a, b] - answers[:, a] - answers[:, b]
    of_items = np.maximum(of_items, 0.0)
    of_seeds = first + second
    share = np.divide(first, of_seeds, out=np.full_like(first, 0.5), where=of_seeds > 0)
    of_two = welch_aspin.two_system_factor(share, df[:, None], df[:, None])
    factor = of_two ** np.divide(of_seeds, of_seeds + of_items, out=np.zeros_like(first), where=of_seeds > 0)
    return _solved(of.mean / factor, of_seeds, of_items, seed_df, of.item_df)


def _moderated(variances: Floats, df: float) -> tuple[Floats, Floats]:
    """Move variances [B, K] towards their mean where the gate is open; and their degrees of freedom [B]."""
    systems = variances.shape[1]
    if systems < FEWEST_SYSTEMS:
        return variances, np.full(len(variances), df)
    alike = are_alike(np.maximum(variances, 1e-300), np.full(systems, df))
    pooled = (variances + variances.mean(axis=1, keepdims=True)) / 2
    return np.where(alike[:, None], pooled, variances), np.where(alike, 2 * df, df)


def paired_p(of: Families) -> Floats:
    """The headline test's p [B, P] where equal seeds belong together."""
    of_seeds, shared, answers = _paired_parts(of)
    _, systems, seeds = of.scores.shape
    df = np.full(of_seeds.shape, seeds - 1.0)
    if systems >= FEWEST_PAIRED_SYSTEMS:
        rest = (of.scores - of.scores.mean(axis=1, keepdims=True)).var(axis=2, ddof=1)
        alike = are_alike(np.maximum(rest, 1e-300), np.full(systems, seeds - 1.0))[:, None]
        pooled = 2 * rest.sum(axis=1, keepdims=True) / (systems - 1) / seeds
        of_seeds, df = np.where(alike, (of_seeds + pooled) / 2, of_seeds), np.where(alike, 2 * df, df)
    return _solved(of.mean, of_seeds, np.maximum(shared - answers, 0.0), df, of.item_df)


def predecessor_p(of: Families) -> Floats:
    """p [B, P] of the test before: seeds paired, and Satterthwaite's degrees of freedom, tuned at a level of 5%."""
    seeds, units = of.scores.shape[2], of.item_df + 1
    of_seeds, shared, answers = _paired_parts(of)
    items = np.maximum(shared - answers, 0.0)
    inflated = of_seeds * (seeds + 1) / (seeds - 1)
    factor = (units + 1) / (units - 1)
    uncertain = inflated**2 / (seeds - 1) + factor**2 * (shared**2 + answers**2 / (seeds - 1)) / (units - 1)
    df = (inflated + items * factor) ** 2 / np.maximum(uncertain, 1e-300)
    return student_p(of.mean, of_seeds + items, np.maximum(df, 1.0))


def paired_t_p(of: Families) -> Floats:
    """p [B, P] of the paired t over seeds."""
    return student_p(of.mean, _paired_parts(of)[0], of.scores.shape[2] - 1.0)


def _paired_parts(of: Families) -> tuple[Floats, Floats, Floats]:
    a, b = of.pairs
    seeds = of.scores.shape[2]
    of_seeds = (of.scores[:, a] - of.scores[:, b]).var(axis=2, ddof=1) / seeds
    diagonal = np.einsum("bkk->bk", of.shared)
    shared = diagonal[:, a] + diagonal[:, b] - 2 * of.shared[:, a, b]
    return of_seeds, shared, np.maximum((of.single_pairs - shared) / (seeds - 1), 0.0)


def _solved(mean: Floats, of_seeds: Floats, of_items: Floats, seed_df: Floats | float, item_df: float) -> Floats:
    total = of_seeds + of_items
    statistic = np.divide(mean, np.sqrt(total), out=np.zeros_like(mean), where=total > 1e-18)
    share = np.divide(of_seeds, total, out=np.zeros_like(mean), where=total > 1e-18)
    return welch_aspin.p_value(statistic, share, seed_df, item_df)


def student_p(mean: Floats, variance: Floats, df: Floats | float) -> Floats:
    """Two-sided p of Student's t; 1 where nothing varies."""
    statistic = np.divide(np.abs(mean), np.sqrt(variance), out=np.zeros_like(mean), where=variance > 1e-18)
    p: Floats = 2 * special.stdtr(df, -statistic)
    return p


def by_shaffer(p: Floats, systems: int) -> Floats:
    """Adjust families [B, P] as the product does."""
    return adjust(p, systems)


def by_holm(p: Floats) -> Floats:
    """Adjust families [B, P] as the predecessor did."""
    order = np.argsort(p, axis=1)
    steps = np.maximum.accumulate(np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1), axis=1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(steps, 1.0), axis=1)
    assert np.allclose(adjusted[0], np.array(holm(p[0].tolist()), dtype=np.float64))
    return adjusted
