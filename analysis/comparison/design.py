"""What varied between the runs decides which test applies and what a verdict generalises over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.comparison.item_counts import FEWEST_CLUSTERS, ItemCounts
from analysis.config import CompareConfig

Method = Literal[
    "multi_bootstrap",
    "paired_t_and_sign_flip",
    "paired_t",
    "sign_flip",
    "corrected_resampled_t",
    "wilcoxon",
]

FIXED_SPLIT = (
    "These recipes on this one split, over new training seeds: conditional on this split, not a claim about new data "
    "(resampled unit: seeds)."
)
NEW_SPLITS = (
    "These recipes under new train/test draws of this data (resampled unit: splits or folds; corrected resampled t, "
    "Nadeau and Bengio 2003)."
)
OVER_DATA_SETS = (
    "These recipes over tasks like these (resampled unit: data sets, seeds averaged first; Wilcoxon signed-rank over "
    "data sets, Demsar 2006)."
)


@dataclass(frozen=True)
class Design:
    """The primary test, the claim it licenses, and the ratio of evaluation to training items (None: not known).

    `why_not_items` says why item predictions do not carry the verdict, where they could have.
    """

    method: Method
    splits_vary: bool
    evaluation_to_train: float | None
    claim: str
    why_not_items: str | None = None

    @property
    def unit(self) -> str:
        """What the primary test counts: the independent repetitions that two systems share."""
        return {"corrected_resampled_t": "split", "wilcoxon": "data set"}.get(self.method, "seed")


def splits_vary(runs: pd.DataFrame) -> bool:
    """Whether the scored runs were trained and evaluated on more than one division of the data."""
    scored = runs[runs["score"].notna()]
    return bool(scored["split_seed"].nunique() > 1 or scored["fold"].nunique() > 1)


def read_design(
    runs: pd.DataFrame, config: CompareConfig, items: ItemCounts | None, why_not: str | None = None
) -> Design:
    """The design of the scored runs; `config.primary` other than auto fixes the test before the scores are seen."""
    vary = splits_vary(runs)
    method = primary_method(config, vary, has_items=items is not None)
    scored = runs[runs["score"].notna()]
    return Design(method, vary, _evaluation_to_train(scored), _claim(method, items), None if vary else why_not)


def primary_method(config: CompareConfig, splits_vary: bool, has_items: bool) -> Method:
    """The test that carries the verdicts: the one that was fixed beforehand, else that of the design."""
    if config.primary != "auto":
        return config.primary
    if splits_vary:
        return "corrected_resampled_t"
    return "multi_bootstrap" if has_items else "paired_t_and_sign_flip"


def over_data_sets() -> Design:
    """The design of several experiments together: one block a data set."""
    return Design("wilcoxon", False, None, OVER_DATA_SETS)


def _claim(method: Method, items: ItemCounts | None) -> str:
    if method == "corrected_resampled_t":
        return NEW_SPLITS
    if method != "multi_bootstrap" or items is None:
        return FIXED_SPLIT
    return (
        f"These recipes on new items from this distribution, with new training seeds (resampled units: "
        f"{items.num_units} {items.unit}, and seeds; multi-bootstrap, Sellam et al. 2022). Tests over seeds alone are "
        "conditional on this split."
    )


def _evaluation_to_train(scored: pd.DataFrame) -> float | None:
    """Mean of evaluation over training items; without those columns 1 / (k - 1) for k folds."""
    if {"train_items", "evaluation_items"} <= set(scored.columns):
        ratio = (scored["evaluation_items"] / scored["train_items"]).dropna()
        if len(ratio) and float(ratio.mean()) > 0:
            return float(ratio.mean())
    folds = scored["fold"].nunique()
    return 1 / (folds - 1) if folds > 1 else None


def design_warnings(design: Design, items: ItemCounts | None) -> list[str]:
    """What a reader must know about the test that was chosen."""
    found = []
    if design.splits_vary and design.method != "corrected_resampled_t":
        found.append(f"the splits vary, but the primary test was fixed as {design.method}: its p is too small")
    if design.splits_vary:
        found.append(
            "splits vary with the run: p, p_holm and the interval of the plain paired t take the runs as independent "
            "and are too sure; the verdict uses the corrected resampled t, and there is no sign-flip test"
        )
    if design.why_not_items is not None:
        found.append(f"the verdict is over seeds alone, conditional on this split: {design.why_not_items}")
    if design.method == "multi_bootstrap" and items is not None:
        found += _few_units(items)
    return found


def _few_units(items: ItemCounts) -> list[str]:
    if items.num_units >= FEWEST_CLUSTERS:
        return []
    return [
        f"only {items.num_units} {items.unit} are resampled, fewer than {FEWEST_CLUSTERS}: the interval over new items "
        "rests on little"
    ]
