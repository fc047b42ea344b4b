"""Checks whether verdicts would hold if every diverged or failed run had scored the majority-class baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.comparison.all_pairs import compare_all
from analysis.comparison.design import Design
from analysis.comparison.item_counts import ItemCounts
from analysis.config import CompareConfig
from analysis.tables.normalize import SCORELESS

COLUMNS = (
    "a", "b", "n_pairs", "baseline", "at_baseline_a", "at_baseline_b", "mean_diff", "primary_method", "primary_ci_low",
    "primary_ci_high", "primary_p_holm", "verdict", "main_verdict", "changed",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """One row per pair that has a run without a score (COLUMNS), with all such runs scored at the same baseline.

    `lacks_baseline`: there are such runs but no baseline to score them at; then `pairs` is empty.
    """

    pairs: pd.DataFrame
    lacks_baseline: bool = False


def score_failures(
    runs: pd.DataFrame,
    rows: Sequence[Mapping[str, Any]],
    design: Design,
    config: CompareConfig,
    generator_seed: int,
    items: ItemCounts | None,
) -> Sensitivity:
    """Compare the pairs that have a run without a score again, by the tests over seeds alone.

    The baseline is computed from the gold labels of the predictions; else it is the mean score of the collapsed runs.
    """
    failed = runs["status"].isin(SCORELESS)
    if not failed.any() or not rows:
        return Sensitivity(pd.DataFrame(columns=list(COLUMNS)))
    baseline = _baseline(runs, items)
    if baseline is None:
        return Sensitivity(pd.DataFrame(columns=list(COLUMNS)), lacks_baseline=True)
    systems = list(dict.fromkeys([row["a"] for row in rows] + [row["b"] for row in rows]))
    filled = runs.assign(
        score=runs["score"].where(~failed, baseline), status=runs["status"].where(~failed, "collapsed")
    )
    over_seeds = replace(design, method="paired_t_and_sign_flip") if design.method == "multi_bootstrap" else design
    again, _ = compare_all(filled, systems, over_seeds, config, generator_seed)
    counts = failed.groupby(runs["system"]).sum()
    main = {(row["a"], row["b"]): row["verdict"] for row in rows}
    table = [
        {
            **row,
            "baseline": baseline,
            "at_baseline_a": int(counts[row["a"]]),
            "at_baseline_b": int(counts[row["b"]]),
            "main_verdict": main[row["a"], row["b"]],
            "changed": row["verdict"] != main[row["a"], row["b"]],
        }
        for row in again
        if counts[row["a"]] + counts[row["b"]]
    ]
    return Sensitivity(pd.DataFrame(table, columns=list(COLUMNS)))


def _baseline(runs: pd.DataFrame, items: ItemCounts | None) -> float | None:
    if items is not None and items.baseline is not None:
        return items.baseline
    collapsed = runs.loc[runs["status"] == "collapsed", "score"].dropna()
    return float(collapsed.mean()) if len(collapsed) else None
