"""Families of systems from normal sufficient statistics: the level of all verdicts together, and their power.

A system's score with a seed is its mean, plus a normal seed effect with its own spread, plus the luck of the items,
which differs between systems. `share` is what seeds contribute to the variance of a difference, on average over pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.batched_tests import (
    Families,
    Floats,
    by_holm,
    by_shaffer,
    independent_p,
    paired_p,
    predecessor_p,
)

ALPHA, SHIFT, ITEMS = 0.05, 3.5, 400
_CELLS = 150_000  # pairs at a time


@dataclass(frozen=True)
class Family:
    """`fourfold`: spreads over seeds from 1 to 4; `correlation` of equal seeds; `skewed`: exponential seed effects.

    `better` systems have a mean that is SHIFT standard errors of an average difference above that of the others.
    """

    systems: int
    seeds: int
    share: float
    fourfold: bool = False
    correlation: float = 0.0
    skewed: bool = False
    better: int = 0

    @property
    def pairing(self) -> Literal["paired", "independent"]:
        """What is declared: seeds that correlate are those of one model's variants."""
        return "paired" if self.correlation else "independent"


def draw(family: Family, repetitions: int, generator: np.random.Generator) -> Families:
    """Draw the statistics; the standard error of an average difference is 1."""
    k, s = family.systems, family.seeds
    spread = np.geomspace(1, 4, k) if family.fourfold else np.ones(k)
    of_seed = 2 * np.mean(spread**2) * (1 - family.correlation) / s
    spread = spread * np.sqrt(family.share / of_seed)
    own, common = (_noise(family.skewed, (repetitions, size, s), generator) for size in (k, 1))
    effects = np.sqrt(1 - family.correlation) * own + np.sqrt(family.correlation) * common
    item_variance = (1 - family.share) / 2
    luck = generator.standard_normal((repetitions, k, 1)) * np.sqrt(item_variance)
    means = np.where(np.arange(k) % 2 == 0, 1.0, 0.0) * (np.arange(k) < 2 * family.better) * SHIFT
    scores = means[:, None] + effects * spread[:, None] + luck
    shared = _wishart(k, ITEMS - 1, repetitions, generator) * item_variance
    a, b = np.triu_indices(k, 1)
    diagonal = np.einsum("bkk->bk", shared)
    pairs = diagonal[:, a] + diagonal[:, b] - 2 * shared[:, a, b]
    return Families(scores, shared, diagonal, pairs, ITEMS - 1.0)


def _noise(skewed: bool, shape: tuple[int, ...], generator: np.random.Generator) -> Floats:
    return generator.standard_exponential(shape) - 1 if skewed else generator.standard_normal(shape)


def _wishart(size: int, df: int, repetitions: int, generator: np.random.Generator) -> Floats:
    """Sample covariance matrices of standard normal vectors, by Bartlett's decomposition."""
    root = np.tril(generator.standard_normal((repetitions, size, size)), -1)
    root += np.sqrt(generator.chisquare(df - np.arange(size), (repetitions, size)))[:, :, None] * np.eye(size)
    found: Floats = root @ root.transpose(0, 2, 1) / df
    return found


def adjusted(family: Family, of: Families) -> dict[str, Floats]:
    """Adjusted p [B, P] of the product and of its predecessor."""
    test: Callable[[Families], Floats] = paired_p if family.pairing == "paired" else independent_p
    return {"ours": by_shaffer(test(of), family.systems), "before": by_holm(predecessor_p(of))}


@dataclass(frozen=True)
class Outcome:
    """Smallest adjusted p among equal pairs [B] (1 if there are none), and adjusted p of the other pairs [B, D]."""

    smallest_equal: Floats
    different: Floats


def simulate(family: Family, repetitions: int, seed: int) -> dict[str, Outcome]:
    """Outcome of the product ("ours") and of its predecessor ("before")."""
    generator = np.random.default_rng((seed, family.systems, family.seeds))
    pairs = family.systems * (family.systems - 1) // 2
    size = max(1, _CELLS // pairs)
    parts: dict[str, list[Floats]] = {"ours": [], "before": []}
    for start in range(0, repetitions, size):
        drawn = adjusted(family, draw(family, min(size, repetitions - start), generator))
        for name, p in drawn.items():
            parts[name].append(p)
    differ = _differ(family)
    return {name: _outcome(np.concatenate(own), differ) for name, own in parts.items()}


def _differ(family: Family) -> NDArray[np.bool_]:
    better = (np.arange(family.systems) % 2 == 0) & (np.arange(family.systems) < 2 * family.better)
    a, b = np.triu_indices(family.systems, 1)
    differ: NDArray[np.bool_] = better[a] != better[b]
    return differ


def _outcome(p: Floats, differ: NDArray[np.bool_]) -> Outcome:
    equal = p[:, ~differ]
    return Outcome(equal.min(axis=1) if equal.shape[1] else np.ones(len(p)), p[:, differ])


def level_row(family: Family, repetitions: int, seed: int) -> dict[str, Any]:
    """Family-wise level of both, and of the product with alpha doubled."""
    found = simulate(family, repetitions, seed)
    return described(family) | {
        "ours": float(np.mean(found["ours"].smallest_equal < ALPHA)),
        "alpha_doubled": float(np.mean(found["ours"].smallest_equal < 2 * ALPHA)),
        "before": float(np.mean(found["before"].smallest_equal < ALPHA)),
        "repetitions": repetitions,
    }


def power_row(family: Family, repetitions: int, seed: int) -> dict[str, Any]:
    """Share of the true differences that are found: ours, the predecessor's, and the latter's at an honest level.

    The predecessor's alpha is shrunk until its level with all systems equal is 5% in the same cell.
    """
    equal = Family(family.systems, family.seeds, family.share, family.fourfold, family.correlation, family.skewed)
    honest = float(np.quantile(simulate(equal, repetitions, seed)["before"].smallest_equal, ALPHA))
    found = simulate(family, repetitions, seed + 1)
    return described(family) | {
        "ours": float(np.mean(found["ours"].different < ALPHA)),
        "before": float(np.mean(found["before"].different < ALPHA)),
        "before_at_honest_level": float(np.mean(found["before"].different < min(honest, ALPHA))),
        "level_of_the_equal_pairs": float(np.mean(found["ours"].smallest_equal < ALPHA)),
        "repetitions": repetitions,
    }


def described(family: Family) -> dict[str, Any]:
    """The cell's columns."""
    return {
        "systems": family.systems,
        "seeds": family.seeds,
        "share": family.share,
        "spreads": "fourfold" if family.fourfold else "equal",
        "noise": "skewed" if family.skewed else "normal",
        "correlation": family.correlation,
        "pairing": family.pairing,
        "better": family.better,
    }
