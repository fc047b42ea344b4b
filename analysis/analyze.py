"""From result tables to an answer: summaries, pairwise comparisons, verdicts, and the words that state them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.config import CompareConfig, Direction
from analysis.results import Results


@dataclass(frozen=True, eq=False)
class Analysis:
    """The answer. `systems` has one row a system (best mean first), `comparisons` one row a pair, every pair once.

    systems columns: system, control, n, mean, std (ddof 1), min, max, median, iqm, ci_low, ci_high (t interval of the
    mean, level 1 - alpha), runs, collapsed, diverged, failed, failure_rate, selected_on_evaluation (bool).
    comparisons columns: a, b, n_pairs, dropped_pairs, mean_a, mean_b, std_a, std_b, mean_diff (mean a - mean b over
    complete pairs), std_diff, ci_low, ci_high, t, df, p, p_holm (paired t), p_sign_flip, wilcoxon_statistic,
    wilcoxon_p, dz, hedges_gz, prob_superiority, prob_superiority_low, prob_superiority_high, a12, correlation,
    shapiro_p, tost_p, smallest_p, detectable_dz, detectable_difference, failure_p, failure_difference,
    primary_method, primary_p, primary_p_holm, primary_ci_low, primary_ci_high, significant_05, significant_01
    (Holm p of the paired t), verdict (what a is compared with b: better, worse, equivalent, inconclusive,
    undecidable), reason, sentence. NaN where a number does not exist.
    """

    results: Results
    metric: str
    direction: Direction
    alpha: float
    rope: float | None
    systems: pd.DataFrame
    comparisons: pd.DataFrame
    omnibus: dict[str, Any]
    warnings: tuple[str, ...]
    claim: str
    headline: str
    provenance: dict[str, Any]
