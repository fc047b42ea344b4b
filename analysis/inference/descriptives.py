"""Numbers that describe one system's scores over its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from analysis.inference.interface import DECIMALS


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half: a quarter of the n >= 1 scores (rounded down) is cut at each end."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def describe(scores: Sequence[float], alpha: float) -> dict[str, float | int | None]:
    """n, mean, std (ddof 1), min, max, median, iqm, and the t interval of the mean (from n = 3 on).

    None where a number does not exist: everything but n without scores, std below two of them.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        names = ("mean", "std", "min", "max", "median", "iqm", "ci_low", "ci_high")
        return {"n": 0, **dict.fromkeys(names)}
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    low, high = mean_interval(values, alpha)
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "std": deviation,
        "min": float(values.min()),
        "max": float(values.max()),
        "median": float(np.median(values)),
        "iqm": interquartile_mean(values),
        "ci_low": low,
        "ci_high": high,
    }


def mean_interval(scores: ArrayLike, alpha: float) -> tuple[float | None, float | None]:
    """t interval of the mean at level 1 - alpha; (None, None) below three scores."""
    from scipy import special

    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 3:
        return None, None
    margin = -float(special.stdtrit(len(values) - 1, alpha / 2) * values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - margin, float(values.mean()) + margin


def is_constant(scores: ArrayLike) -> bool:
    """Whether two or more scores are the same to 1e-12."""
    values = np.asarray(scores, dtype=np.float64)
    return len(values) > 1 and float(np.ptp(np.round(values, DECIMALS))) == 0.0
