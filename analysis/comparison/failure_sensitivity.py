"""Checks whether verdicts would hold if every diverged or failed run had scored the majority-class baseline.

Nothing else changes: with item predictions, such a run answers every item with the majority label and the test stays
the same. Where that is impossible, the verdict of the same test without these runs stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.all_pairs import compare_all
from analysis.comparison.design import Design
from analysis.comparison.item_counts import ItemCounts
from analysis.config import CompareConfig
from analysis.tables.normalize import SCORELESS

COLUMNS = (
    "a", "b", "n_pairs", "baseline", "at_baseline_a", "at_baseline_b", "mean_diff", "primary_method", "primary_ci_low",
    "primary_ci_high", "primary_p_holm", "verdict", "main_verdict", "same_test_verdict", "changed",
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
    """Compare the pairs that have a run without a score again, by the same test.

    The baseline is computed from the gold labels of the predictions; else it is the mean score of the collapsed runs,
    and the tests are those over seeds alone. `changed` compares with `same_test_verdict`: the verdict of the same test
    over the runs with a score, which is `main_verdict` unless the test differs.
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
    main = _verdicts(rows)
    same_test, more_items = main, None if items is None else items.with_baseline(np.flatnonzero(failed).tolist())
    if design.method == "multi_bootstrap" and more_items is None:
        design = replace(design, method="paired_t_and_sign_flip")
        same_test = _verdicts(compare_all(runs, systems, design, config, generator_seed)[0])
    again, _ = compare_all(filled, systems, design, config, generator_seed, more_items)
    counts = failed.groupby(runs["system"]).sum()
    table = [
        {
            **row,
            "baseline": baseline,
            "at_baseline_a": int(counts[row["a"]]),
            "at_baseline_b": int(counts[row["b"]]),
            "main_verdict": main[row["a"], row["b"]],
            "same_test_verdict": same_test[row["a"], row["b"]],
            "changed": row["verdict"] != same_test[row["a"], row["b"]],
        }
        for row in again
        if counts[row["a"]] + counts[row["b"]]
    ]
    return Sensitivity(pd.DataFrame(table, columns=list(COLUMNS)))


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    return {(row["a"], row["b"]): row["verdict"] for row in rows}


def _baseline(runs: pd.DataFrame, items: ItemCounts | None) -> float | None:
    if items is not None and items.baseline is not None:
        return items.baseline
    collapsed = runs.loc[runs["status"] == "collapsed", "score"].dropna()
    return float(collapsed.mean()) if len(collapsed) else None
