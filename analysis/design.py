"""What varied between the runs decides which test applies and what a verdict generalises over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.config import CompareConfig

Method = Literal["paired_t_and_sign_flip", "paired_t", "sign_flip", "corrected_resampled_t"]

FIXED_SPLIT = (
    "These recipes on this one split, over new training seeds: conditional on this split, not a claim about new data "
    "(resampled unit: seeds)."
)
NEW_SPLITS = (
    "These recipes under new train/test draws of this data (resampled unit: splits or folds; corrected resampled t, "
    "Nadeau and Bengio 2003)."
)
WIDER = (
    ' The item predictions of these runs would allow a test over items and seeds, for the claim "on new items from '
    'this distribution"; this verdict makes the weaker claim.'
)


@dataclass(frozen=True)
class Design:
    """The primary test, the claim it licenses, and the ratio of evaluation to training items (None: not known)."""

    method: Method
    splits_vary: bool
    evaluation_to_train: float | None
    claim: str


def read_design(runs: pd.DataFrame, config: CompareConfig, has_predictions: bool) -> Design:
    """The design of the scored runs; `config.primary` other than auto fixes the test before the scores are seen."""
    scored = runs[runs["score"].notna()]
    splits_vary = scored["split_seed"].nunique() > 1 or scored["fold"].nunique() > 1
    default: Method = "corrected_resampled_t" if splits_vary else "paired_t_and_sign_flip"
    method: Method = default if config.primary == "auto" else config.primary
    claim = NEW_SPLITS if method == "corrected_resampled_t" else FIXED_SPLIT + (WIDER if has_predictions else "")
    return Design(method, splits_vary, _evaluation_to_train(scored), claim)


def _evaluation_to_train(scored: pd.DataFrame) -> float | None:
    """Mean of evaluation over training items; without those columns 1 / (k - 1) for k folds."""
    if {"train_items", "evaluation_items"} <= set(scored.columns):
        ratio = (scored["evaluation_items"] / scored["train_items"]).dropna()
        if len(ratio) and float(ratio.mean()) > 0:
            return float(ratio.mean())
    folds = scored["fold"].nunique()
    return 1 / (folds - 1) if folds > 1 else None


def design_warnings(design: Design) -> list[str]:
    """What a reader must know about the test that was chosen."""
    found = []
    if design.splits_vary and design.method != "corrected_resampled_t":
        found.append(f"the splits vary, but the primary test was fixed as {design.method}: its p is too small")
    if design.splits_vary:
        found.append(
            "splits vary with the run: p, p_holm and the interval of the plain paired t take the runs as independent "
            "and are too sure; the verdict uses the corrected resampled t, and there is no sign-flip test"
        )
    return found
