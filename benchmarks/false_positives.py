"""Simulates equal systems on one split: how often does each test call a winner, and how often does it see 3 points?

Usage: python -m benchmarks.false_positives [REPETITIONS]; writes benchmarks/results/false_positives.json and .md.

Two systems answer the same items with each of n seeds. An item is easy or hard for both (logit 2 +- 2), easier for one
of them by chance (`apart`: standard deviation in logits), and a seed is better or worse on all items (`seed effect`).
In the population of items and seeds the systems are equal, or 3 points apart; a repetition draws new items and seeds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from analysis.inference.interface import TestOptions
from analysis.inference.resampling import draw_weights, resampled_scores
from analysis.metrics import macro_f1
from analysis.statistics import multi_bootstrap
from benchmarks.machine import write
from benchmarks.power_envelope import best_power, truth_of

Floats = NDArray[np.float32]
ITEMS, SEEDS, APART, SEED_EFFECTS = (186, 408, 872), (5, 10), (0.0, 0.5, 1.0, 2.0, 4.0), (0.0, 0.2)
RESAMPLES, ALPHA, BOUND, POINTS, TRUTHS = 2_000, 0.05, 0.06, 0.03, 4_000
METHODS = ("multi_bootstrap", "percentile_bootstrap", "t_over_items", "conservative_t", "paired_t")
TITLES = {
    "multi_bootstrap": "multi-bootstrap (headline)",
    "percentile_bootstrap": "percentiles of items and seeds resampled",
    "t_over_items": "t over items of the mean over seeds",
    "conservative_t": "both variances added, t with n - 1",
    "paired_t": "paired t over seeds",
}


@dataclass(frozen=True)
class Cell:
    """One situation; `gain` are logits by which the first system is better on every item."""

    items: int
    seeds: int
    apart: float
    seed_effect: float
    gain: float = 0.0


def draw(cell: Cell, repetitions: int, generator: np.random.Generator) -> Floats:
    """Differences of hits [repetitions, seeds, items]: 1, 0 or -1."""
    shape = (repetitions, cell.seeds, cell.items)
    easy = generator.normal(2, 2, size=(repetitions, 1, cell.items)).astype(np.float32)
    hits = []
    for gain in (cell.gain, 0.0):
        own = easy + cell.apart * generator.standard_normal((repetitions, 1, cell.items), dtype=np.float32)
        of_seed = cell.seed_effect * generator.standard_normal((repetitions, cell.seeds, 1), dtype=np.float32)
        chance = special.expit(own + of_seed + np.float32(gain))
        hits.append((generator.random(shape, dtype=np.float32) < chance).astype(np.float32))
    return hits[0] - hits[1]


def rejections(cell: Cell, repetitions: int, seed: int) -> dict[str, float]:
    """Share of the repetitions in which each method rejects at 5%."""
    generator = np.random.default_rng((seed, cell.items, cell.seeds))
    weights = np.concatenate(list(draw_weights(generator, RESAMPLES, cell.items)))
    chosen = generator.integers(0, cell.seeds, size=(RESAMPLES, cell.seeds))
    of_seeds = np.stack([(chosen == number).sum(axis=1) for number in range(cell.seeds)], axis=1) / cell.seeds
    found = dict.fromkeys(METHODS, 0)
    size = max(1, 8_000_000 // (cell.items * cell.seeds))
    for start in range(0, repetitions, size):
        difference = draw(cell, min(size, repetitions - start), generator)
        drawn = weights @ difference.reshape(-1, cell.items).T / cell.items
        for number, p in enumerate(_p_values(difference, drawn.reshape(RESAMPLES, -1, cell.seeds), of_seeds)):
            found[METHODS[number]] += int(np.count_nonzero(p < ALPHA))
    return {name: count / repetitions for name, count in found.items()}


def _p_values(difference: Floats, drawn: Floats, of_seeds: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """p [repetitions] of each method, in their order."""
    units, seeds = difference.shape[2], difference.shape[1]
    by_seed = difference.mean(axis=2, dtype=np.float64)
    mean, of_seed = by_seed.mean(axis=1), by_seed.var(axis=1, ddof=1) / seeds
    shared = difference.mean(axis=1, dtype=np.float64).var(axis=1, ddof=1) / units
    parts = [
        multi_bootstrap.components(by_seed[k], drawn[:, k].astype(np.float64), units) for k in range(len(difference))
    ]
    errors, df = np.array([part.error for part in parts]), np.array([part.df for part in parts])
    yield _t(mean, errors, df)
    resampled = np.einsum("bks,bs->kb", drawn, of_seeds)
    below = np.mean(resampled < 0, axis=1) + np.mean(resampled == 0, axis=1) / 2
    yield 2 * np.minimum(below, 1 - below)
    yield _t(mean, np.sqrt(shared), units - 1.0)
    yield _t(mean, np.sqrt(of_seed + shared), seeds - 1.0)
    yield _t(mean, np.sqrt(of_seed), seeds - 1.0)


def _t(mean: NDArray[np.float64], error: NDArray[np.float64], df: Any) -> NDArray[np.float64]:
    """Two-sided p; 1 where nothing varies."""
    statistic = np.divide(np.abs(mean), error, out=np.zeros_like(mean), where=error > 1e-9)
    found: NDArray[np.float64] = 2 * stats.t.sf(statistic, df)
    return found


def gain_for(points: float, apart: float, seed_effect: float) -> float:
    """Logits that make the first system better by `points` in the population."""
    generator = np.random.default_rng(0)
    spread = np.sqrt(4 + apart**2 + seed_effect**2)
    logits = generator.normal(2, spread, size=1_000_000)
    base = special.expit(logits).mean()
    return float(optimize.brentq(lambda gain: special.expit(logits + gain).mean() - base - points, 0, 5, xtol=1e-4))


def macro_f1_rejections(items: int, seeds: int, apart: float, repetitions: int, seed: int) -> float:
    """The same for macro F1 over four classes of unequal size, which is no mean over items: the product's own path."""
    generator = np.random.default_rng((seed, items, seeds, 4))
    found = 0
    for _ in range(repetitions):
        gold = generator.choice(4, size=items, p=[0.55, 0.25, 0.15, 0.05])
        cell = Cell(items, seeds, apart, 0.1)
        counts = [_class_counts(gold, hits, generator) for hits in _hits(cell, generator)]
        drawn = resampled_scores(counts, macro_f1.METRIC.value, 400, generator).reshape(-1, 2, seeds)
        observed = np.array([macro_f1.METRIC.value(own.sum(axis=0, dtype=np.float64)) for own in counts])
        resampled = drawn.transpose(0, 2, 1)
        result = multi_bootstrap.judge(observed.reshape(2, seeds).T, resampled, items, TestOptions(generator=generator))
        found += result.p is not None and result.p < ALPHA
    return found / repetitions


def _hits(cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    easy = generator.normal(2, 2, size=cell.items) + generator.normal(0, cell.apart, size=(2, 1, cell.items))
    logits = easy + generator.normal(0, cell.seed_effect, size=(2, cell.seeds, 1))
    hits: NDArray[np.bool_] = (generator.random(logits.shape) < special.expit(logits)).reshape(-1, cell.items)
    return hits


def _class_counts(gold: NDArray[np.int64], hits: NDArray[np.bool_], generator: np.random.Generator) -> Floats:
    answer = np.where(hits, gold, (gold + generator.integers(1, 4, size=len(gold))) % 4)
    classes = np.arange(4)
    right = (gold == answer)[:, None] & (gold[:, None] == classes)
    return np.concatenate([right, answer[:, None] == classes, gold[:, None] == classes], axis=1).astype(np.float32)


def upper_bound(share: float, repetitions: int) -> float:
    """Upper end of the two-sided 95% interval of Clopper and Pearson."""
    return float(stats.beta.ppf(0.975, round(share * repetitions) + 1, repetitions - round(share * repetitions)))


def false_positives(repetitions: int) -> list[dict[str, Any]]:
    """One row a cell."""
    rows = []
    for number, (items, seeds, apart, effect) in enumerate(product(ITEMS, SEEDS, APART, SEED_EFFECTS)):
        shares = rejections(Cell(items, seeds, apart, effect), repetitions, number)
        rows.append({"items": items, "seeds": seeds, "apart": apart, "seed_effect": effect, **shares})
    return rows


def powers(repetitions: int, valid: list[str]) -> list[dict[str, Any]]:
    """Power at a true difference of 3 points; ours as a share of the best valid method's and of what any could have."""
    rows = []
    for number, (items, seeds, apart, effect) in enumerate(product(ITEMS, SEEDS, (0.0, 1.0, 2.0), SEED_EFFECTS)):
        cell = Cell(items, seeds, apart, effect, gain_for(POINTS, apart, effect))
        shares = rejections(cell, repetitions, 1_000 + number)
        truth = truth_of(draw(cell, min(TRUTHS, 10_000_000 // (items * seeds)), np.random.default_rng(number)))
        envelope = best_power(replace(truth, difference=POINTS), seeds, ALPHA)
        row = {"items": items, "seeds": seeds, "apart": apart, "seed_effect": effect, **shares, "envelope": envelope}
        best = max(shares[name] for name in valid)
        rows.append(row | {f"ours_of_{name}": shares["multi_bootstrap"] / most
                           for name, most in (("best_valid", best), ("envelope", envelope))})  # fmt: skip
    return rows


def main() -> None:
    """All cells; fails where the headline test's bound is above 6%."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    started = time.perf_counter()
    equal = false_positives(repetitions)
    worst = {name: max(row[name] for row in equal) for name in METHODS}
    bounds = {name: upper_bound(share, repetitions) for name, share in worst.items()}
    valid = [name for name in METHODS if bounds[name] <= BOUND]
    better = powers(repetitions // 2, valid)
    non_mean = [
        {"items": items, "seeds": seeds, "apart": apart, "macro_f1": macro_f1_rejections(items, seeds, apart, 2_000, 7)}
        for items, seeds, apart in ((186, 5, 0.0), (186, 5, 1.0), (186, 10, 2.0), (408, 10, 1.0))
    ]
    document = {
        "repetitions": repetitions,
        "resamples": RESAMPLES,
        "worst_upper_bound": bounds,
        "macro_f1_upper_bound": max(upper_bound(row["macro_f1"], 2_000) for row in non_mean),
        "valid": valid,
        "smallest_share_of_best_power": min(row["ours_of_best_valid"] for row in better),
        "smallest_share_of_envelope": min(row["ours_of_envelope"] for row in better),
        "equal": equal,
        "three_points": better,
        "macro_f1": non_mean,
        "seconds": round(time.perf_counter() - started),
    }
    page = write(
        "false_positives",
        _title(document),
        "python -m benchmarks.false_positives",
        document,
        _table(equal, better, non_mean),
    )
    print(page.read_text(encoding="utf-8"))
    sys.exit(bounds["multi_bootstrap"] > BOUND)


def _title(document: dict[str, Any]) -> str:
    bounds = document["worst_upper_bound"]
    return (
        f"Equal systems on one split, {document['repetitions']:,} repetitions a cell: upper 95% bound of the headline "
        f"test's false positives {bounds['multi_bootstrap']:.2%} in the worst cell (macro F1 "
        f"{document['macro_f1_upper_bound']:.2%}), of the paired t's {bounds['paired_t']:.0%}; "
        f"power at 3 points at least {document['smallest_share_of_best_power']:.0%} of the best valid method's "
        f"(valid: {', '.join(TITLES[name] for name in document['valid'])}), and at least "
        f"{document['smallest_share_of_envelope']:.0%} of the most that any test can have which keeps its level "
        "whatever the seed effect (`benchmarks/power_envelope.py`); t over items, which takes the seed effect for "
        f"zero, sees more where it is zero, and is wrong in up to {bounds['t_over_items']:.0%} where it is not"
    )


def _table(*parts: list[dict[str, Any]]) -> list[dict[str, str]]:
    truths = ("equal", "3 points apart", "equal, macro F1")
    rows = []
    for truth, part in zip(truths, parts, strict=True):
        for row in part:
            shown = {"truth": truth, **{key: str(row[key]) for key in ("items", "seeds", "apart")}}
            shown["seed effect"] = str(row.get("seed_effect", 0.1))
            values = row | {"multi_bootstrap": row.get("multi_bootstrap", row.get("macro_f1"))}
            columns = TITLES | {"envelope": "most that any test can have"}
            rows.append(shown | {columns[name]: f"{values[name]:.1%}" if name in values else "" for name in columns})
    return rows


if __name__ == "__main__":
    main()
