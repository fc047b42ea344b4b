"""The design of a comparison: which test applies, what a verdict generalises over, and what it can decide.

What varied between the runs decides the test. Also computes, before any run is paid for, the smallest p, the seeds
needed, power and the smallest detectable effect.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from analysis.config import CompareConfig
from analysis.statistics import sign_flip, wilcoxon

if TYPE_CHECKING:  # planning needs neither pandas nor pyarrow
    import pandas as pd

    from analysis.comparison.item_counts import ItemCounts

FEWEST_CLUSTERS = 20
FEWEST_OF_A_CLASS = 3
Method = Literal[
    "multi_bootstrap",
    "paired_t_and_sign_flip",
    "paired_t",
    "sign_flip",
    "corrected_resampled_t",
    "wilcoxon",
    "welch",
    "items",
]

FIXED_SPLIT = (
    "These recipes on this one split, over new training seeds, with the same training data and the same pretrained "
    "checkpoints: conditional on this split, not a claim about new data (resampled unit: seeds)."
)
NEW_SPLITS = (
    "These recipes under new train/test draws of this data, from the same pretrained checkpoints (resampled unit: "
    "splits or folds; corrected resampled t, Nadeau and Bengio 2003)."
)
KNOWN_CLUSTERS = "for these, the scores are not about new clusters"
"""How a sweep's note ends that says that evaluation items share a cluster with training items."""
OVER_DATA_SETS = (
    "These recipes over tasks like these (resampled unit: data sets, seeds averaged first; Wilcoxon signed-rank over "
    "data sets, Demsar 2006)."
)

UNPAIRED = (
    "These recipes on this one split, over new training seeds, from runs not paired by seed: conditional on this "
    "split, not a claim about new data (resampled unit: the runs of each system; Welch's t-test, which takes them as "
    "independent)."
)
ONE_SEED = (
    "These checkpoints on new items from this distribution: not a claim about other training seeds, as there is only "
    "one (resampled unit: items)."
)
_OF_PAIRS = {"welch": UNPAIRED, "items": ONE_SEED}


@dataclass(frozen=True)
class Design:
    """The primary test, the claim it supports, and the ratio of evaluation to training items (None: unknown).

    `why_not_items` says why the verdict does not use item predictions, where it could have. `is_flexible`: a pair that
    the primary test cannot compare, as it has no seed in common or only one, gets the test that fits it. `looks` has
    the number of epochs that each system chose from on the evaluation data (`comparison/selection.py`).
    """

    method: Method
    splits_vary: bool
    evaluation_to_train: float | None
    claim: str
    why_not_items: str | None = None
    is_flexible: bool = False
    looks: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_many_blocks(self) -> bool:
        """Whether rank tests of all systems have independent blocks: data sets, splits or folds, not seeds alone."""
        return self.splits_vary or self.unit == "data set"

    @property
    def unit(self) -> str:
        """What the primary test counts: the independent repetitions that two systems share."""
        return {"corrected_resampled_t": "split", "wilcoxon": "data set"}.get(self.method, "seed")


def splits_vary(runs: pd.DataFrame) -> bool:
    """Return whether the scored runs were trained and evaluated on more than one split of the data."""
    scored = runs[runs["score"].notna()]
    return bool(scored["split_seed"].nunique() > 1 or scored["fold"].nunique() > 1)


def read_design(
    runs: pd.DataFrame,
    config: CompareConfig,
    items: ItemCounts | None,
    why_not: str | None = None,
    known_clusters: bool = False,
) -> Design:
    """Return the design of the scored runs; a `config.primary` other than auto fixes the test in advance.

    `known_clusters` says that some evaluation items share a cluster with training items.
    """
    varied = splits_vary(runs)
    method = primary_method(config, varied, has_items=items is not None)
    scored = runs[runs["score"].notna()]
    return Design(
        method=method,
        splits_vary=varied,
        evaluation_to_train=_evaluation_to_train(scored),
        claim=_claim(method, items, known_clusters),
        why_not_items=None if varied else why_not,
        is_flexible=config.primary == "auto" and not varied and not _are_ours(runs),
    )


def _are_ours(runs: pd.DataFrame) -> bool:
    """Return whether any run is of this program, whose sweeps give every system the same seeds."""
    return "settings_id" in runs.columns and bool(runs["settings_id"].notna().any())


def stated_claim(design: Design, methods: Collection[str]) -> str:
    """Return the claim of an analysis whose pairs were compared by these methods."""
    special = [claim for method, claim in _OF_PAIRS.items() if method in methods]
    if not special:
        return design.claim
    return " ".join([*([design.claim] if set(methods) - set(_OF_PAIRS) else []), *special])


def primary_method(config: CompareConfig, splits_vary: bool, has_items: bool) -> Method:
    """Return the test that the verdicts rest on: the one fixed in advance, else the one that fits the design."""
    if config.primary != "auto":
        return config.primary
    if splits_vary:
        return "corrected_resampled_t"
    if has_items:
        return "multi_bootstrap"
    return "welch" if config.seeds == "independent" else "paired_t_and_sign_flip"


def data_sets_design() -> Design:
    """Return the design of several experiments together: one block per data set."""
    return Design("wilcoxon", False, None, OVER_DATA_SETS)


def _claim(method: Method, items: ItemCounts | None, known_clusters: bool) -> str:
    if method == "corrected_resampled_t":
        return NEW_SPLITS
    if method != "multi_bootstrap" or items is None:
        return FIXED_SPLIT
    return (
        f"These recipes on {_new(items, known_clusters)}, with new training seeds, the same training data and the same "
        f"pretrained checkpoints (varied: {items.num_units} {items.unit}, and seeds; crossed variance components, as "
        "in the multi-bootstrap of Sellam et al. 2022). Tests over seeds alone are conditional on this split."
    )


def _new(items: ItemCounts, known_clusters: bool) -> str:
    if known_clusters:
        return "new items from this distribution, some of them from clusters that training knows"
    return "new clusters of items from this distribution" if items.clustered else "new items from this distribution"


def _evaluation_to_train(scored: pd.DataFrame) -> float | None:
    """Return the mean ratio of evaluation to training items; without those columns, 1 / (k - 1) for k folds."""
    if {"train_items", "evaluation_items"} <= set(scored.columns):
        ratio = (scored["evaluation_items"] / scored["train_items"]).dropna()
        if len(ratio) and float(ratio.mean()) > 0:
            return float(ratio.mean())
    folds = scored["fold"].nunique()
    return 1 / (folds - 1) if folds > 1 else None


def design_warnings(design: Design, items: ItemCounts | None) -> list[str]:
    """Return what a reader must know about the chosen test."""
    warnings = []
    if design.splits_vary and design.method != "corrected_resampled_t":
        warnings.append(f"the splits vary, but the primary test was fixed as {design.method}: its p is too small")
    if design.splits_vary:
        warnings.append(
            "splits vary between runs: p, p_holm and the interval of the plain paired t treat the runs as independent "
            "and are overconfident; the verdict uses the corrected resampled t, and there is no sign-flip test"
        )
    if design.why_not_items is not None:
        warnings.append(f"the verdict is over seeds alone, conditional on this split: {design.why_not_items}")
    if design.method == "multi_bootstrap" and items is not None:
        warnings += [*_few_units(items), *_left_out(items)]
    return warnings


def _few_units(items: ItemCounts) -> list[str]:
    warnings = []
    if items.num_units < FEWEST_CLUSTERS:
        warnings.append(
            f"only {items.num_units} {items.unit} are resampled, fewer than {FEWEST_CLUSTERS}: the interval over new "
            f"{items.unit} is unreliable"
        )
    elif items.effective_units < FEWEST_CLUSTERS:
        warnings.append(
            f"the {items.num_units} {items.unit} are so unequal that they weigh as much as {items.effective_units:.1f} "
            f"equal ones, fewer than {FEWEST_CLUSTERS}: the interval over new {items.unit} is unreliable"
        )
    if items.rarest is not None and items.rarest[1] < FEWEST_OF_A_CLASS:
        warnings.append(
            f"only {items.rarest[1]} evaluated items have the class {items.rarest[0]!r}: its score, a part of the mean "
            f"over classes, says nothing of new items; evaluate at least {FEWEST_OF_A_CLASS} of each class"
        )
    return warnings


def _left_out(items: ItemCounts) -> list[str]:
    """Say what the tests over items leave out."""
    warnings = []
    if items.left_out:
        warnings.append(
            f"{items.left_out} of {items.num_items + items.left_out} evaluated items are left out of the tests over "
            "items, because some runs have no prediction for them"
        )
    if items.without_predictions:
        warnings.append(
            "left out of the tests over items, as they have no item predictions: "
            f"{'; '.join(items.without_predictions)}"
        )
    return warnings


MANY = 1e6  # degrees of freedom beyond which t is normal
MOST_SEEDS = 10_000  # more than anybody runs: beyond it, no number of seeds is enough

_BOUNDED = {
    "multi_bootstrap": sign_flip,  # of the tests over seeds alone, which also stand in where predictions cannot be used
    "paired_t_and_sign_flip": sign_flip,
    "sign_flip": sign_flip,
    "wilcoxon": wilcoxon,
}


def smallest_p_of(method: str, n: int) -> float | None:
    """Return the smallest p that the exact test of a primary method can give for n pairs; None: no such bound.

    The multi-bootstrap itself has no bound; the one returned belongs to the tests over seeds alone.
    """
    if method not in _BOUNDED:
        return None
    return _BOUNDED[method].TEST.smallest_p(n, 2) if n >= 1 else 1.0


def smallest_p(n: int, comparisons: int = 1) -> float:
    """Return the smallest Holm p of the exact sign-flip test with n seeds, at the first of `comparisons` steps."""
    return min(1.0, comparisons * sign_flip.TEST.smallest_p(n, 2)) if n >= 1 else 1.0


def seeds_needed(comparisons: int, alpha: float = 0.05) -> int | None:
    """Return the fewest seeds for the first Holm step to reject: 6, 7, 8, 9 for 1, 3, 6, 10 comparisons at .05.

    None where no number of seeds can: the test over more than 16 seeds has 99,999 resamples.
    """
    candidates = range(1, sign_flip.EXACT_UP_TO + 2)
    return next((n for n in candidates if smallest_p(n, comparisons) < alpha), None)


def power(n: int, dz: float, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided paired t-test of n >= 2 pairs rejects at a standardised difference of dz."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().power(effect_size=abs(dz), nobs=n, alpha=alpha))


def minimum_detectable_effect(n: int, alpha: float = 0.05, comparisons: int = 1, wanted: float = 0.8) -> float | None:
    """Return the smallest |d_z| that n pairs detect with power `wanted` at alpha / comparisons; None for n < 3.

    Multiply by the standard deviation of the differences to get the unit of the metric.
    """
    factor = detectable_errors(n - 1, alpha / comparisons, wanted) if n >= 3 else None
    return None if factor is None else factor / math.sqrt(n)


def t_power(effect: float, df: float, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided t-test with `df` rejects at a true difference of `effect` standard errors.

    The noncentral t is a normal over an independent chi: averages over the chi's quantiles, by Gauss-Legendre.
    """
    from scipy import special

    chi, weights = _chi_over_root_df(df)
    reach = -float(special.stdtrit(df, alpha / 2)) * chi
    return float(weights @ (special.ndtr(abs(effect) - reach) + special.ndtr(-abs(effect) - reach)))


@cache
def _chi_over_root_df(df: float) -> tuple[Any, Any]:
    import numpy as np
    from scipy import special

    nodes, weights = _nodes()
    return np.sqrt(2 * special.gammaincinv(df / 2, (nodes + 1) / 2) / df), weights / 2


@cache
def _nodes() -> tuple[Any, Any]:
    import numpy as np

    return np.polynomial.legendre.leggauss(400)


@cache
def detectable_errors(df: float, alpha: float, wanted: float = 0.8) -> float | None:
    """Return the smallest difference, in standard errors, that a two-sided t-test detects with power `wanted`.

    None where no difference can be detected, as with one degree of freedom at a tiny alpha.
    """
    from scipy import optimize

    def shortfall(effect: float) -> float:
        return t_power(effect, df, alpha) - wanted

    high = 4.0
    while shortfall(high) < 0 and high < 1e5:
        high *= 2
    if not shortfall(high) >= 0:
        return None
    return float(optimize.brentq(shortfall, 0.0, high, xtol=1e-12))


def seeds_to_decide(
    difference: float, seed_variance: float, item_variance: float, alpha: float = 0.05, wanted: float = 0.8
) -> int | None:
    """Return the fewest seeds that detect a true `difference` with power `wanted` at `alpha` (after any correction).

    `seed_variance` is the variance of a single seed's difference; `item_variance` the part of the mean's variance that
    more seeds do not lower (0 for tests over seeds alone). None where no number of seeds is enough: more items are
    needed.
    """

    def enough(seeds: int) -> bool:
        of_seeds = seed_variance / seeds
        error = math.sqrt(of_seeds + item_variance)
        if error == 0:
            return difference != 0
        share = of_seeds / (of_seeds + item_variance)
        df = min((seeds - 1) / share**2, MANY) if share > 0 else MANY
        return t_power(min(abs(difference) / error, 30.0), df, alpha) >= wanted

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def pairs_needed(dz: float, alpha: float = 0.05, comparisons: int = 1, wanted: float = 0.8) -> int:
    """Return the fewest pairs for a two-sided paired t-test to detect |d_z|. Raises ValueError for d_z of 0."""
    if dz == 0:
        raise ValueError("no number of pairs detects a difference of 0")
    low, high = 1, 2
    while power(high, dz, alpha / comparisons) < wanted:
        low, high = high, high * 2
        if high > 2**40:
            raise ValueError(f"d_z {dz} is too small to plan for")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, dz, alpha / comparisons) >= wanted else (middle, high)
    return high


def noether_pairs(superiority: float, alpha: float = 0.05, wanted: float = 0.95) -> int:
    """Return the runs per system for a one-sided, unpaired rank test to detect P(A > B) = `superiority` (Noether 1987).

    Raises ValueError for 0.5, which no number of runs can distinguish from chance.
    """
    from scipy import stats

    if superiority == 0.5:
        raise ValueError("P(A > B) = 0.5 is no difference; no number of runs detects it")
    z = float(stats.norm.isf(alpha) + stats.norm.ppf(wanted))
    return math.ceil(z * z / (6 * (superiority - 0.5) ** 2))
