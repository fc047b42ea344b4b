"""Multi-bootstrap over items and seeds: would the difference hold on new items and with new seeds?

Seeds and items are crossed (every seed answers every item), so the variance of the mean difference has a part from
seeds, a part from items that all seeds share, and a part from single answers, which is contained in both (Sellam et
al. 2022, "The MultiBERTs"; Owen 2007, "The pigeonhole bootstrap"). Resampling both at once and reading percentiles
counts the last part three times and treats five seeds as a distribution. Instead, the parts are estimated one by one,
that of the items by the jackknife, and the test is Welch's for a variance of two estimated parts
(`inference/welch_aspin.py`). Seeds are paired between the systems or independent: that is declared, never looked up.
benchmarks/results/false_positives.md has its error rates and its power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.inference import welch_aspin
from analysis.inference.interface import DECIMALS, Floats, StatisticalTest, TestOptions, TestResult
from analysis.inference.jackknife import effective_number
from analysis.inference.moderation import NOTHING, Prior
from analysis.inference.resampling import draw_weights

FEWEST_SEEDS = 3
_SMALLEST_VARIANCE = 1e-18  # anything smaller is rounding


@dataclass(frozen=True)
class Components:
    """Variance of a mean difference: `seeds` shrinks with more seeds, `items` only with more items; with their df.

    `effective` is the number of items on which the items' part rests: fewer than there are, if a few decide it.
    `factor` multiplies the standard error where the seeds' part is the sum of two estimated variances.
    `answers` is the part of `seeds` that is chance in single answers, which more items shrink, too.
    """

    mean: float
    seeds: float
    items: float
    seed_df: float
    item_df: float
    effective: float
    factor: float = 1.0
    answers: float = 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean difference over new seeds and new items."""
        return math.sqrt(self.seeds + self.items)

    @property
    def share(self) -> float:
        """Share of the seeds in the variance."""
        total = self.seeds + self.items
        return self.seeds / total if total > 0 else 0.0

    @property
    def is_constant(self) -> bool:
        """Whether nothing varies: then there is no test."""
        return self.seeds + self.items < _SMALLEST_VARIANCE

    @property
    def is_zero(self) -> bool:
        """Whether the systems are the same in every seed and item."""
        return self.is_constant and self.mean == 0

    def p(self, shift: float = 0.0) -> float:
        """Return the two-sided p of a true difference of `shift`."""
        statistic = (self.mean - shift) / self.error / self.factor
        return float(welch_aspin.p_value(statistic, self.share, self.seed_df, self.item_df))

    def equivalence_p(self, rope: float) -> float:
        """Return p of the two one-sided tests for a true difference within (-rope, rope) (TOST; Schuirmann 1987)."""
        above, below = self.p(-rope) / 2, self.p(rope) / 2
        return max(above if self.mean > -rope else 1 - above, below if self.mean < rope else 1 - below)

    def critical_value(self, alpha: float) -> float:
        """Return the standard errors beyond which the difference is significant at alpha."""
        return self.factor * float(welch_aspin.critical_value(alpha, self.share, self.seed_df, self.item_df))

    def equivalent_df(self, alpha: float) -> float:
        """Return the degrees of freedom of the Student's t with the same critical value at alpha."""
        return welch_aspin.equivalent_df(alpha, self.share, self.seed_df, self.item_df, self.factor)


def paired(scores: Floats, moved: Floats, item_df: float, prior: Prior = NOTHING) -> Components:
    """Split the variance of differences of scores [S, 2] whose seeds are paired; `moved` [units, S, 2] are influences.

    With d = seed + item + answer: var(d over seeds) / S holds seed + answer; the sum of squared influences on the mean
    holds item + answer / S; that on single seeds holds item + answer, which gives the answers' part. The items' part is
    what is left, at least 0. The variance over seeds is moved towards `prior`.
    """
    difference = np.round(scores[:, 0] - scores[:, 1], DECIMALS)
    of_units = moved[..., 0] - moved[..., 1]
    num_seeds = len(difference)
    variance, seed_df = prior.moderated(float(np.var(difference, ddof=1)), num_seeds - 1.0)
    of_seeds = variance / num_seeds
    on_mean = of_units.mean(axis=1)
    answers = answers_variance(of_units)
    items, effective = max(0.0, float(on_mean @ on_mean) - answers), effective_number(on_mean)
    return Components(float(difference.mean()), of_seeds, items, seed_df, item_df, effective, answers=answers)


def independent(scores: Floats, moved: Floats, item_df: float, prior: Prior = NOTHING) -> Components:
    """Split the variance as `paired` does, where the seeds of one system have nothing to do with those of the other.

    Each system's variance over seeds is moved towards `prior`; Satterthwaite's degrees of freedom count those of both.
    """
    num_seeds = len(scores)
    both = [prior.moderated(float(np.var(own, ddof=1)), num_seeds - 1.0) for own in scores.T]
    parts = np.array([variance / num_seeds for variance, _ in both])
    of_seeds = float(parts.sum())
    uncertain = sum(part**2 / df for part, (_, df) in zip(parts.tolist(), both, strict=True))
    seed_df = of_seeds**2 / uncertain if uncertain > 0 else 2 * (num_seeds - 1.0)
    on_mean = moved.mean(axis=1)
    on_difference = on_mean[:, 0] - on_mean[:, 1]
    answers = answers_variance(moved[..., 0]) + answers_variance(moved[..., 1])
    items = max(0.0, float(on_difference @ on_difference) - answers)
    mean = float(scores[:, 0].mean() - scores[:, 1].mean())
    total = of_seeds + items
    share = parts[0] / of_seeds if of_seeds > 0 else 0.5
    of_two = float(welch_aspin.two_system_factor(share, both[0][1], both[1][1]))
    factor = of_two ** (of_seeds / total) if total > 0 else 1.0
    return Components(mean, of_seeds, items, seed_df, item_df, effective_number(on_difference), factor, answers)


def answers_variance(moved: Floats) -> float:
    """Return the single answers' part of the variance of a mean over S seeds, from influences [units, S]."""
    num_seeds: int = moved.shape[1]
    on_mean = moved.mean(axis=1)
    shared, single = float(on_mean @ on_mean), float(np.sum(moved**2)) / num_seeds
    return max(0.0, (single - shared) / (num_seeds - 1))


def judge(parts: Components, options: TestOptions) -> TestResult:
    """Test a mean difference with this variance.

    details: mean, error, variance_seeds, variance_items, share of the seeds, seed_df, item_df, factor, effective_items,
    variance_answers, and equivalence_p with `options.rope`. No p where nothing varies.
    """
    if parts.is_constant:
        return TestResult(
            ci_low=parts.mean, ci_high=parts.mean, note=f"deterministic: difference = {parts.mean:.6g}, no test"
        )
    margin = parts.critical_value(options.alpha) * parts.error
    details = {
        "mean": parts.mean,
        "error": parts.error,
        "variance_seeds": parts.seeds,
        "variance_items": parts.items,
        "share": parts.share,
        "seed_df": parts.seed_df,
        "item_df": parts.item_df,
        "factor": parts.factor,
        "effective_items": parts.effective,
        "variance_answers": parts.answers,
    }
    if options.rope is not None:
        details["equivalence_p"] = parts.equivalence_p(options.rope)
    df, statistic = parts.equivalent_df(options.alpha), parts.mean / parts.error
    return TestResult(statistic, df, parts.p(), parts.mean - margin, parts.mean + margin, details=details)


def percentiles(resampled: Floats, options: TestOptions, are_paired: bool) -> dict[str, float]:
    """Return the plain interval of Sellam et al.: percentiles of the mean over resampled seeds on resampled items.

    `resampled` [B, S, 2] are the scores of the runs on B resamples. Conservative in the single answers; for comparison.
    """
    if options.generator is None:
        raise ValueError("the multi-bootstrap draws at random and needs a generator")
    resamples, seeds, systems = resampled.shape
    shape = (resamples, seeds, 1 if are_paired else systems)
    chosen = np.broadcast_to(options.generator.integers(0, seeds, size=shape), resampled.shape)
    means = np.take_along_axis(resampled, chosen, axis=1).mean(axis=1)
    low, high = np.quantile(means[:, 0] - means[:, 1], [options.alpha / 2, 1 - options.alpha / 2])
    return {"percentile_low": float(low), "percentile_high": float(high)}


def too_few(seeds: int, units: int) -> str | None:
    """Return why so few seeds or items cannot be resampled, or None."""
    if seeds >= FEWEST_SEEDS and units >= 2:
        return None
    return f"too few to resample: number of seeds {seeds}, of items {units}"


def run(values: Floats, options: TestOptions) -> TestResult:
    """Test scores of single items, [items, S, 2], seeds paired, where a run's score is the mean over items.

    details as in `judge`, and the percentiles. Raises ValueError for another shape, values that are not finite, or
    options without a generator. No p below three seeds or two items.
    """
    scores = _crossed(values)
    units, seeds, _ = scores.shape
    if options.generator is None:
        raise ValueError("the multi-bootstrap draws at random and needs a generator")
    note = too_few(seeds, units)
    if note is not None:
        return TestResult(note=note)
    observed = scores.mean(axis=0)
    moved = (scores - observed) / (units - 1) * math.sqrt((units - 1) / units)
    flat = scores.reshape(units, -1)
    drawn = np.concatenate([rows @ flat for rows in draw_weights(options.generator, options.resamples, units)])
    resampled = np.round(drawn / units, DECIMALS).reshape(-1, seeds, 2)
    result = judge(paired(observed, moved, units - 1.0), options)
    details = dict(result.details) | percentiles(resampled, options, are_paired=True)
    return replace(result, details=details)


def _crossed(values: NDArray[Any]) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 3 or scores.shape[2] != 2:
        raise ValueError(f"values must be [items, seeds, 2], got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("values must be finite: a missing score never enters a test")
    return scores


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= FEWEST_SEEDS else 1.0


TEST = StatisticalTest(
    name="multi_bootstrap",
    title="Crossed variance components over items and seeds",
    systems="two",
    values="items",
    assumes="items (or clusters of them) and seeds that are independent draws; a mean difference that is about normal",
    generalises_over="new items from this distribution and new seeds",
    source="Sellam et al. 2022; Owen 2007; critical values of Welch 1947 and Aspin 1948, solved numerically",
    smallest_p=_smallest_p,
    run=run,
)
