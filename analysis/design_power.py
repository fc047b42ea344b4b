"""What a grid can show: the smallest detectable difference, and the seeds needed to show given differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from analysis.comparison import design
from analysis.comparison.growth import Pilot, Range, items_for, seeds_for
from analysis.comparison.verdict import FEWEST_FOR_VERDICT
from analysis.result import Analysis

DIFFERENCES = (0.005, 0.01, 0.02, 0.03, 0.05)  # in the unit of the score: half a point to five points
WANTED = 0.8


@dataclass(frozen=True)
class Spread:
    """How much differences vary, and where that is known from.

    `of_seeds` is the standard deviation of a pair's difference over seeds; `of_items` is the standard error of its mean
    that is due to the items and that more seeds do not reduce (0: unknown, or the claim is about seeds alone). Both
    rest on so many degrees of freedom, infinitely many where the spread is assumed; `items` were evaluated.
    """

    of_seeds: float
    of_items: float
    source: str
    seed_df: float = design.MANY
    item_df: float = design.MANY
    items: int | None = None


@dataclass(frozen=True)
class Needed:
    """The seeds that show a true difference with 80% power at the first Holm step; None: no number does.

    `fewest` to `most` is the range that the uncertainty of the spread leaves; `items` do it with the planned seeds.
    """

    difference: float
    seeds: int | None
    fewest: int | None = None
    most: int | None = None
    items: Range | None = None

    @property
    def range(self) -> Range:
        """The seeds as a range."""
        return Range(self.fewest, self.seeds, self.most)


@dataclass(frozen=True)
class DesignPower:
    """The power of a design. `detectable` is the smallest difference shown with 80% power; None below 3 seeds."""

    spread: Spread
    seeds: int
    comparisons: int
    alpha: float
    detectable: float | None
    needed: tuple[Needed, ...]


def power_of(spread: Spread, seeds: int, comparisons: int, alpha: float, smallest: float | None = None) -> DesignPower:
    """Return the power of `seeds` paired seeds for each of `comparisons` pairs at the family-wise level `alpha`.

    `smallest` is the stated smallest difference that matters; without one, usual differences are listed.
    """
    level = alpha / max(1, comparisons)
    variances = spread.of_seeds**2, spread.of_items**2
    pilot = Pilot(max(seeds, 2), variances[0], spread.seed_df, variances[1], spread.item_df, spread.items)
    differences = DIFFERENCES if smallest is None else (smallest,)
    needed = tuple(_needed(pilot, difference, level) for difference in differences)
    return DesignPower(spread, seeds, comparisons, alpha, _detectable(variances, seeds, level), needed)


def _needed(pilot: Pilot, difference: float, level: float) -> Needed:
    seeds = seeds_for(pilot, difference, level, FEWEST_FOR_VERDICT)
    return Needed(difference, seeds.best, seeds.low, seeds.high, items_for(pilot, difference, level))


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
        seed_df=counts[0] - 1.0,
        item_df=max(2.0, float(median(pairs["effective_items"].dropna())) - 1) if len(items) else design.MANY,
        items=int(pairs["n_items"].max()) if len(items) else None,
    )
