"""What a grid can show: the smallest detectable difference, and the seeds needed to show given differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from analysis.comparison import design
from analysis.comparison.verdict import FEWEST_FOR_VERDICT
from analysis.result import Analysis

DIFFERENCES = (0.005, 0.01, 0.02, 0.03, 0.05)  # in the unit of the score: half a point to five points
WANTED = 0.8


@dataclass(frozen=True)
class Spread:
    """How much differences vary, and where that is known from.

    `of_seeds` is the standard deviation of a pair's difference over seeds; `of_items` is the standard error of its mean
    that is due to the items and that more seeds do not reduce (0: unknown, or the claim is about seeds alone).
    """

    of_seeds: float
    of_items: float
    source: str


@dataclass(frozen=True)
class Needed:
    """The seeds that show a true difference with 80% power at the first Holm step; None: no number does."""

    difference: float
    seeds: int | None


@dataclass(frozen=True)
class DesignPower:
    """The power of a design. `detectable` is the smallest difference shown with 80% power; None below 3 seeds."""

    spread: Spread
    seeds: int
    comparisons: int
    alpha: float
    detectable: float | None
    needed: tuple[Needed, ...]


def power_of(spread: Spread, seeds: int, comparisons: int, alpha: float) -> DesignPower:
    """Return the power of `seeds` paired seeds for each of `comparisons` pairs at the family-wise level `alpha`."""
    level = alpha / max(1, comparisons)
    variances = spread.of_seeds**2, spread.of_items**2
    counts = {difference: design.seeds_to_decide(difference, *variances, level, WANTED) for difference in DIFFERENCES}
    needed = tuple(
        Needed(difference, None if count is None else max(count, FEWEST_FOR_VERDICT))
        for difference, count in counts.items()
    )
    return DesignPower(spread, seeds, comparisons, alpha, _detectable(variances, seeds, level), needed)


def _detectable(variances: tuple[float, float], seeds: int, level: float) -> float | None:
    if seeds < 3:
        return None
    of_seeds, of_items = variances[0] / seeds, variances[1]
    if of_seeds + of_items == 0:
        return 0.0
    share = of_seeds / (of_seeds + of_items)
    df = (seeds - 1) / share**2 if share > 0 else design.MANY
    factor = design.detectable_errors(min(df, design.MANY), level, WANTED)
    return None if factor is None else factor * math.sqrt(of_seeds + of_items)


def spread_of(analysis: Analysis) -> Spread | None:
    """Return the median spread over the pairs of finished runs; None where no pair has three seeds that differ."""
    pairs = analysis.comparisons[(analysis.comparisons["n_pairs"] >= 3) & (analysis.comparisons["std_diff"] > 0)]
    if pairs.empty:
        return None
    items = pairs["variance_items"].dropna()
    counts = sorted(set(pairs["n_pairs"].astype(int)))
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return Spread(
        of_seeds=float(median(pairs["std_diff"])),
        of_items=math.sqrt(float(median(items))) if len(items) else 0.0,
        source=f"{len(pairs)} pairs of systems with {seeds} seeds in these results",
    )
