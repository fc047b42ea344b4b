"""Multi-bootstrap over items and seeds: would the difference hold on new items and with new seeds?

Seeds and items are crossed (every seed answers every item), so the variance of the mean difference has a part from
seeds, a part from items that all seeds share, and a part from single answers, which both of these contain (Sellam et
al. 2022, "The MultiBERTs"; Owen 2007, "The pigeonhole bootstrap"). Resampling both at once and reading percentiles
counts the last part three times and takes five seeds for a distribution. So items are resampled, which any metric
allows, the parts are told apart, and the test is a t-test on their sum with Satterthwaite's degrees of freedom.
benchmarks/results/false_positives.md has its error rates, and its power beside the most that any test could have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.inference.interface import DECIMALS, Floats, StatisticalTest, TestOptions, TestResult
from analysis.inference.resampling import draw_weights
from analysis.statistics.paired_t import t_result

_SMALLEST_VARIANCE = 1e-18  # below it lies rounding


@dataclass(frozen=True)
class Components:
    """Variance of a mean difference: `seeds` (it shrinks with more seeds), `items` (only with more items), and df."""

    mean: float
    seeds: float
    items: float
    df: float

    @property
    def error(self) -> float:
        """Standard error of the mean difference over new seeds and new items."""
        return math.sqrt(self.seeds + self.items)


def components(difference: Floats, drawn: Floats, units: int) -> Components:
    """Parts of the variance from differences [S] by seed, and [B, S] of the same seeds on B resamples of `units` items.

    With d = seed + item + answer: var(d over seeds) / S holds seed + answer; the variance over resamples of the mean
    over seeds holds item + answer / S; that of single seeds item + answer, which gives the answers' part. The part of
    the items is what is left, at least 0. In the degrees of freedom each part's share is inflated by (m + 1) / (m - 1),
    which is E[V^2] / E[V]^2 of a variance of m values: without it five seeds reject in up to 5.8% where 5% are asked.
    """
    seeds_number = len(difference)
    correction = units / (units - 1)
    seeds = float(np.var(difference, ddof=1)) / seeds_number
    shared = float(np.var(drawn.mean(axis=1))) * correction
    single = float(np.var(drawn, axis=0).mean()) * correction
    answers = max(0.0, (single - shared) / (seeds_number - 1))
    items = max(0.0, shared - answers)
    return Components(float(difference.mean()), seeds, items, _df(seeds, shared, answers, seeds_number, units))


def _df(seeds: float, shared: float, answers: float, number: int, units: int) -> float:
    of_seeds = seeds * (number + 1) / (number - 1)
    inflation = (units + 1) / (units - 1)
    of_items = max(0.0, shared - answers) * inflation
    uncertain = of_seeds**2 / (number - 1)
    uncertain += inflation**2 * (shared**2 + answers**2 / (number - 1)) / (units - 1)
    return (of_seeds + of_items) ** 2 / uncertain if uncertain > 0 else float(number - 1)


def judge(observed: Floats, resampled: Floats, units: int, setting: TestOptions) -> TestResult:
    """The test for scores [S, 2] of two systems by seed, and [B, S, 2] of the same runs on B resamples of `units`.

    details: mean, error, variance_seeds, variance_items, percentile_low, percentile_high (both resampled, percentiles:
    conservative in the single answers, for comparison). Needs `setting.generator` for the seeds of the percentiles.
    No p below two seeds or two units, or where nothing varies.
    """
    if len(observed) < 2 or units < 2:
        return TestResult(note=f"too few to resample: number of seeds {len(observed)}, of items {units}")
    difference = np.round(observed[:, 0] - observed[:, 1], DECIMALS)
    drawn = resampled[..., 0] - resampled[..., 1]
    found = components(difference, drawn, units)
    if found.seeds + found.items < _SMALLEST_VARIANCE:
        return TestResult(
            ci_low=found.mean, ci_high=found.mean, note=f"deterministic: difference = {found.mean:.6g}, no test"
        )
    plain = t_result(found.mean, found.error, found.df, setting.alpha)
    details = dict(plain.details) | {"variance_seeds": found.seeds, "variance_items": found.items}
    details |= _percentiles(drawn, setting)
    return TestResult(plain.statistic, plain.df, plain.p, plain.ci_low, plain.ci_high, details=details)


def _percentiles(drawn: Floats, setting: TestOptions) -> dict[str, float]:
    """The plain interval of Sellam et al.: percentiles of the mean over resampled seeds on resampled items."""
    if setting.generator is None:
        raise ValueError("the multi-bootstrap draws at random and needs a generator")
    resamples, seeds = drawn.shape
    chosen = setting.generator.integers(0, seeds, size=(resamples, seeds))
    means = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1)
    low, high = np.quantile(means, [setting.alpha / 2, 1 - setting.alpha / 2])
    return {"percentile_low": float(low), "percentile_high": float(high)}


def run(values: Floats, setting: TestOptions) -> TestResult:
    """The test for the score of every item, [items, S, 2], where a run's score is the mean over items.

    Raises ValueError for another shape, values that are not finite, or a setting without a generator.
    """
    scores = _crossed(values)
    units, seeds, _ = scores.shape
    if setting.generator is None:
        raise ValueError("the multi-bootstrap draws at random and needs a generator")
    if units < 2:
        return TestResult(note=f"too few to resample: number of seeds {seeds}, of items {units}")
    flat = scores.reshape(units, -1)
    drawn = np.concatenate([rows @ flat for rows in draw_weights(setting.generator, setting.resamples, units)])
    resampled = np.round(drawn / units, DECIMALS).reshape(-1, seeds, 2)
    return judge(scores.mean(axis=0), resampled, units, setting)


def _crossed(values: NDArray[Any]) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 3 or scores.shape[2] != 2:
        raise ValueError(f"values must be [items, seeds, 2], got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("values must be finite: a missing score never enters a test")
    return scores


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= 2 else 1.0


TEST = StatisticalTest(
    name="multi_bootstrap",
    title="Multi-bootstrap over items and seeds",
    systems="two",
    values="items",
    assumes="items (or clusters of them) and seeds that are independent draws; a mean difference that is about normal",
    generalises_over="new items from this distribution and new seeds",
    source="Sellam et al. 2022; Owen 2007; degrees of freedom by Satterthwaite 1946",
    smallest_p=_smallest_p,
    run=run,
)
