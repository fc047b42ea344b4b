"""Runs without a score: a system that fails more often is not compared on its lucky runs alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.normalize import SCORELESS

LARGEST_IMBALANCE = 0.10


@dataclass(frozen=True)
class FailureComparison:
    """Difference of the failure rates (a - b), Fisher's exact p of it, and why that blocks a verdict, if it does."""

    difference: float
    p: float
    blocked: str | None


def count_statuses(runs: pd.DataFrame) -> dict[str, int | float]:
    """How the runs of one system ended, and the share of them without a score (diverged or failed)."""
    counts: dict[str, int | float] = {
        status: int((runs["status"] == status).sum()) for status in ("collapsed", "diverged", "failed")
    }
    failed = int(runs["status"].isin(SCORELESS).sum())
    return {"runs": len(runs), **counts, "failure_rate": failed / len(runs) if len(runs) else 0.0}


def compare_failures(a: pd.DataFrame, b: pd.DataFrame, allow_unequal: bool) -> FailureComparison:
    """Failure rates of two systems' runs. More than 10 points apart blocks the verdict unless `allow_unequal`."""
    from scipy import stats

    failed = [int(runs["status"].isin(SCORELESS).sum()) for runs in (a, b)]
    sizes = [len(a), len(b)]
    if sum(failed) == 0:
        return FailureComparison(0.0, 1.0, None)
    difference = failed[0] / sizes[0] - failed[1] / sizes[1]
    table = np.array([[failed[0], sizes[0] - failed[0]], [failed[1], sizes[1] - failed[1]]])
    p = float(stats.fisher_exact(table)[1])
    blocked = None
    if abs(difference) > LARGEST_IMBALANCE + 1e-12 and not allow_unequal:
        rates = " and ".join(f"{count} of {size}" for count, size in zip(failed, sizes, strict=True))
        blocked = f"failure rates differ by more than {LARGEST_IMBALANCE:.0%} ({rates} runs have no score)"
    return FailureComparison(difference, p, blocked)
