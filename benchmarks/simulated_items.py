"""Equal systems whose items are hard for the test: rare classes, unequal clusters, repeats, lost answers, collapse.

Each section returns rows with the level of the product ("ours") and of its predecessor ("before"). Rare classes go
through the product's own functions; the others through `batched_tests`, which a test holds against the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.inference.jackknife import bell_mccaffrey_df, influences, too_unequal
from analysis.inference.resampling import resampled_scores
from analysis.metrics import macro_f1
from analysis.statistics import multi_bootstrap
from benchmarks.batched_tests import Families, Floats, independent_p, of_items, paired_t_p, predecessor_p, student_p

ALPHA = 0.05
_CELLS = 12_000_000  # answers at a time


@dataclass(frozen=True)
class Cell:
    """One pair of systems; `apart` and `seed_effect` are standard deviations in logits.

    `gain` are logits by which the first system is better on every item, `spread` is how many times as large the seed
    effect of the first system is.
    """

    items: int
    seeds: int
    apart: float
    seed_effect: float
    gain: float = 0.0
    systems: int = 2
    spread: float = 1.0


def draw(cell: Cell, repetitions: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Hits [repetitions, systems, seeds, items]: items are easy or hard for all (logit 2 +- 2) and for each system."""
    shape = (repetitions, cell.systems, cell.seeds, cell.items)
    logits = generator.normal(2, 2, (repetitions, 1, 1, cell.items)).astype(np.float32)
    own = cell.apart * generator.standard_normal((repetitions, cell.systems, 1, cell.items), dtype=np.float32)
    of_seed = cell.seed_effect * generator.standard_normal((repetitions, cell.systems, cell.seeds, 1), dtype=np.float32)
    of_seed[:, 0] *= cell.spread
    own[:, 0] += np.float32(cell.gain)
    return (generator.random(shape, dtype=np.float32) < special.expit(logits + own + of_seed)).astype(np.float32)


def rejections(cell: Cell, repetitions: int, seed: int) -> dict[str, float]:
    """Share of families in which each test rejects; "conservative" adds both variances and takes t with S - 1."""
    generator = np.random.default_rng((seed, cell.items, cell.seeds))
    size = max(1, _CELLS // (cell.items * cell.seeds * cell.systems))
    counts: dict[str, float] = {}
    for start in range(0, repetitions, size):
        of = of_items(draw(cell, min(size, repetitions - start), generator))
        for name, p in _p_values(of).items():
            counts[name] = counts.get(name, 0.0) + float(np.sum(p < ALPHA))
        counts["alpha_doubled"] = counts.get("alpha_doubled", 0.0) + float(np.sum(independent_p(of) < 2 * ALPHA))
    return {name: count / repetitions for name, count in counts.items()}


def _p_values(of: Families) -> dict[str, Floats]:
    a, b = of.pairs
    diagonal = np.einsum("bkk->bk", of.shared)
    shared = diagonal[:, a] + diagonal[:, b] - 2 * of.shared[:, a, b]
    seeds = of.scores.shape[2]
    of_seeds = (of.scores[:, a] - of.scores[:, b]).var(axis=2, ddof=1) / seeds
    return {
        "ours": independent_p(of),
        "before": predecessor_p(of),
        "t_over_items": student_p(of.mean, shared, of.item_df),
        "conservative": student_p(of.mean, of_seeds + shared, seeds - 1.0),
        "paired_t": paired_t_p(of),
    }


def gain_for(points: float, apart: float, seed_effect: float) -> float:
    """Logits that make the first system better by `points` in the population."""
    from scipy import optimize

    generator = np.random.default_rng(0)
    logits = generator.normal(2, np.sqrt(4 + apart**2 + seed_effect**2), size=1_000_000)
    base = special.expit(logits).mean()
    return float(optimize.brentq(lambda gain: special.expit(logits + gain).mean() - base - points, 0, 5, xtol=1e-4))


def rare_class(
    items: int, seeds: int, rarest: float, apart: float, repetitions: int, seed: int, gain: float = 0.0
) -> dict[str, Any]:
    """Macro F1 over six classes, the rarest a share of the items: the product's own path, and the bootstrap's.

    `apart` is the standard deviation, in logits, of what makes an item easier for one system than for the other.
    """
    generator = np.random.default_rng((seed, items, seeds))
    shares = np.array([0.4, 0.25, 0.15, 0.12, 0.08 - rarest, rarest])
    rejected = {"ours": 0, "alpha_doubled": 0, "before": 0}
    for _ in range(repetitions):
        gold = generator.choice(6, size=items, p=shares)
        counts = [_class_counts(gold, hits) for hits in _hits(items, seeds, apart, gain, generator)]
        observed = np.array([macro_f1.METRIC.value(own.sum(axis=0, dtype=np.float64)) for own in counts])
        scores = observed.reshape(2, seeds).T
        moved = influences(counts, macro_f1.METRIC.value).reshape(items, 2, seeds).transpose(0, 2, 1)
        p = multi_bootstrap.independent(scores, moved, items - 1.0).p()
        drawn = resampled_scores(counts, macro_f1.METRIC.value, 200, generator).reshape(-1, 2, seeds)
        rejected["ours"] += p < ALPHA
        rejected["alpha_doubled"] += p < 2 * ALPHA
        rejected["before"] += bool(_predecessor_of(scores, drawn, items) < ALPHA)
    levels = {name: count / repetitions for name, count in rejected.items()}
    row = {
        "kind": "macro F1, rare class",
        "detail": f"{items} items, {seeds} seeds, rarest {rarest:.0%}, apart {apart:g}",
    }
    return row | levels | {"repetitions": repetitions, "difference": "none" if gain == 0 else f"{gain:g} logits"}


def _predecessor_of(scores: Floats, drawn: Floats, items: int) -> float:
    """p of the test before, whose variance by items was that of resampled scores [R, systems, seeds]."""
    difference = drawn[:, 0] - drawn[:, 1]
    correction = items / (items - 1)
    shared = float(np.var(difference.mean(axis=1))) * correction
    single = float(np.var(difference, axis=0).mean()) * correction
    of = Families(
        scores.T[None],
        np.array([[[shared, 0.0], [0.0, 0.0]]]),
        np.array([[shared, 0.0]]),
        np.array([[single]]),
        items - 1.0,
    )
    return float(predecessor_p(of)[0, 0])


def _hits(items: int, seeds: int, apart: float, gain: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    easy = generator.normal(2, 2, size=items) + generator.normal(0, apart, size=(2, 1, items))
    easy[0] += gain
    logits = easy + generator.normal(0, 0.1, size=(2, seeds, 1))
    hits: NDArray[np.bool_] = (generator.random(logits.shape) < special.expit(logits)).reshape(-1, items)
    return hits


def _class_counts(gold: NDArray[np.int64], hits: NDArray[np.bool_]) -> Floats:
    """Counts of macro F1 over a known label space; whoever misses says the most frequent class, or the next one."""
    answer = np.where(hits, gold, np.where(gold == 0, 1, 0))
    classes = np.arange(6)
    right = (gold == answer)[:, None] & (gold[:, None] == classes)
    parts = [right, answer[:, None] == classes, gold[:, None] == classes, np.ones_like(right)]
    return np.concatenate(parts, axis=1).astype(np.float64)


def clusters(
    sizes: NDArray[np.int64], label: str, within: float, seed_share: float, repetitions: int, seed: int, before: str
) -> dict[str, Any]:
    """A mean over items in clusters of these sizes; `within` is the variance of items within clusters, between is 1.

    `before` says what the predecessor resampled: "clusters", or the single "items".
    """
    generator = np.random.default_rng((seed, len(sizes)))
    share = sizes / sizes.sum()
    between = generator.standard_normal((repetitions, len(sizes)))
    means = between + generator.standard_normal(between.shape) * np.sqrt(within / sizes)
    true_items = float(np.sum(share**2 * (1 + within / sizes)))
    of_seed = true_items * seed_share / (1 - seed_share)
    num_seeds = 5
    effects = generator.standard_normal((repetitions, num_seeds)) * np.sqrt(of_seed * num_seeds)
    mean = means @ share + effects.mean(axis=1)
    seeds = effects.var(axis=1, ddof=1) / num_seeds
    pulled = share * (means - (means @ share)[:, None])
    n = len(sizes)
    jackknife = np.sum((pulled / (1 - share)) ** 2, axis=1) * (1 - share.min())
    bootstrap = np.sum(pulled**2, axis=1) * n / (n - 1)
    if before == "items":
        squares = np.sum(share * (means - (means @ share)[:, None]) ** 2, axis=1)
        bootstrap = (squares + within) / sizes.sum()
        n = int(sizes.sum())
    p = _two_part_p(mean, seeds, jackknife, num_seeds - 1.0, bell_mccaffrey_df(sizes))
    refused = too_unequal(sizes)
    row = {"kind": "clusters", "detail": label, "refused": refused or ""}
    return row | {
        "ours": 0.0 if refused else float(np.mean(p < ALPHA)),
        "alpha_doubled": 0.0 if refused else float(np.mean(p < 2 * ALPHA)),
        "before": float(np.mean(_before_p(mean, seeds, bootstrap, num_seeds, n) < ALPHA)),
        "repetitions": repetitions,
    }


def _two_part_p(mean: Floats, of_seeds: Floats, of_items: Floats, seed_df: float, item_df: float) -> Floats:
    from analysis.inference import welch_aspin

    total = of_seeds + of_items
    return welch_aspin.p_value(mean / np.sqrt(total), of_seeds / total, seed_df, item_df)


def _before_p(mean: Floats, of_seeds: Floats, of_items: Floats, seeds: int, units: int) -> Floats:
    inflated, factor = of_seeds * (seeds + 1) / (seeds - 1), (units + 1) / (units - 1)
    uncertain = inflated**2 / (seeds - 1) + (factor * of_items) ** 2 / (units - 1)
    return student_p(mean, of_seeds + of_items, (inflated + of_items * factor) ** 2 / uncertain)


def repeated_items(times: int, repetitions: int, seed: int) -> dict[str, Any]:
    """Every one of 200 items `times` times, with the same answers: now clusters, before items of their own."""
    row = clusters(np.full(200, times), "", 0.0, 0.2, repetitions, seed, before="items")
    return row | {"kind": "repeated items", "detail": f"200 items, each {times} times"}


def lost_answer(repetitions: int, seed: int) -> dict[str, Any]:
    """One answer of 3,720 is missing: the item is left out; before, paired t and sign-flip over ten seeds decided."""
    generator = np.random.default_rng(seed)
    rejected = np.zeros(3)
    size = 400
    for _ in range(repetitions // size):
        of = of_items(draw(Cell(372, 5, 1.0, 0.1, systems=2), size, generator)[..., 1:])
        p = independent_p(of)
        rejected += [np.sum(p < ALPHA), np.sum(p < 2 * ALPHA), np.sum(paired_t_p(of) < ALPHA)]
    ours, doubled, before = (rejected / (repetitions // size * size)).tolist()
    row = {"kind": "lost answer", "detail": "1 of 3,720 answers; before: the t over seeds of the fall-back"}
    return row | {"ours": ours, "alpha_doubled": doubled, "before": before, "repetitions": repetitions}


def one_sided_collapse(seeds: int, repetitions: int, seed: int) -> dict[str, Any]:
    """A fifth of one system's runs collapse, its other runs make up for it: equal means that no test can compare."""
    generator = np.random.default_rng((seed, seeds))
    steady = generator.normal(0.8, 0.01, (repetitions, seeds))
    collapsed = generator.random((repetitions, seeds)) < 0.2
    luck = generator.normal(0, 0.01, (repetitions, 2))
    other = np.where(collapsed, 0.5, 0.875 + generator.normal(0, 0.01, (repetitions, seeds)))
    scores = np.stack([steady, other], axis=1) + luck[:, :, None]
    of_item = np.broadcast_to(np.eye(2) * 1e-4, (repetitions, 2, 2))
    single = np.full((repetitions, 2), 1e-4)
    of = Families(scores, of_item, single, np.full((repetitions, 1), 2e-4), 400.0)
    mean, p, before = of.mean[:, 0], independent_p(of)[:, 0], predecessor_p(of)[:, 0]
    row = {"kind": "collapse of one system", "detail": f"{seeds} seeds, 20% of its runs; no test mends it"}
    return row | {
        "ours": float(np.mean(p < ALPHA)),
        "ours_calls_the_collapsing_one_better": float(np.mean((p < ALPHA) & (mean < 0))),
        "before": float(np.mean(before < ALPHA)),
        "repetitions": repetitions,
    }


def log_normal(spread: float, number: int) -> NDArray[np.int64]:
    """Sizes of clusters at the quantiles of a log-normal with median 20."""
    quantiles = special.ndtri((np.arange(number) + 0.5) / number)
    return np.maximum(1, np.round(20 * np.exp(spread * quantiles))).astype(np.int64)


def giant(share: float, number: int) -> NDArray[np.int64]:
    """One cluster with this share of the items, the others of ten items."""
    others = (number - 1) * 10
    return np.array([math.ceil(others * share / (1 - share))] + [10] * (number - 1))
