"""Describes the scores of one system, and measures the effect size between two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.inference.interface import DECIMALS


def interquartile_mean(scores: ArrayLike) -> float:
    """Return the mean of the middle half: a quarter of the n >= 1 scores (rounded down) is cut at each end."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def describe(scores: Sequence[float], alpha: float) -> dict[str, float | int | None]:
    """Return n, mean, std (ddof 1), min, max, median, iqm, and the t interval of the mean (for n >= 3).

    None where a number does not exist: all but n without scores, std below two scores.
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
    """Return the t interval of the mean at level 1 - alpha; (None, None) below three scores."""
    from scipy import special

    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 3:
        return None, None
    margin = -float(special.stdtrit(len(values) - 1, alpha / 2) * values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - margin, float(values.mean()) + margin


def exact_interval(count: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the exact two-sided interval of a proportion of which `count` of n >= 1 were seen (Clopper, Pearson 1934).

    0 of 5 still allows up to 52% at a level of 95%.
    """
    from scipy import special

    low = 0.0 if count == 0 else float(special.betaincinv(count, n - count + 1, alpha / 2))
    high = 1.0 if count == n else float(special.betaincinv(count + 1, n - count, 1 - alpha / 2))
    return low, high


def is_constant(scores: ArrayLike) -> bool:
    """Return whether two or more scores are equal to within 1e-12."""
    values = np.asarray(scores, dtype=np.float64)
    return len(values) > 1 and float(np.ptp(np.round(values, DECIMALS))) == 0.0


def paired_dz(difference: ArrayLike) -> float | None:
    """Return the mean of n paired differences over their std (ddof 1); None without variance (Cohen 1988)."""
    values = np.asarray(difference, dtype=np.float64)
    if len(values) < 2 or np.ptp(np.round(values, DECIMALS)) == 0:
        return None
    return float(values.mean() / values.std(ddof=1))


def hedges_factor(df: int) -> float:
    """Return the exact small-sample correction of a standardised mean difference with df >= 2 (Hedges 1981)."""
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)


def hedges_gz(difference: ArrayLike) -> float | None:
    """Return `paired_dz` without its small-sample bias; None if `paired_dz` is None or n < 3."""
    values = np.asarray(difference, dtype=np.float64)
    dz = paired_dz(values)
    return None if dz is None or len(values) < 3 else dz * hedges_factor(len(values) - 1)


def probability_of_superiority(difference: ArrayLike, alpha: float) -> tuple[float, float, float] | None:
    """Return the share of n pairs whose first score is above the second (ties count half), with its Wilson interval.

    (share, low, high) at level 1 - alpha; None without pairs (Wilson 1927).
    """
    signs = np.sign(np.round(np.asarray(difference, dtype=np.float64), DECIMALS))
    n = len(signs)
    if n == 0:
        return None
    share = float((signs + 1).sum()) / 2 / n
    z = NormalDist().inv_cdf(1 - alpha / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    margin = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, max(0.0, middle - margin), min(1.0, middle + margin)


def a12(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return the chance that a score of the first [n] exceeds one of the second [m] (ties count half); unpaired.

    None if either is empty (Vargha and Delaney 2000).
    """
    a = np.round(np.asarray(first, dtype=np.float64), DECIMALS)
    b = np.round(np.asarray(second, dtype=np.float64), DECIMALS)
    if len(a) == 0 or len(b) == 0:
        return None
    return float((np.sign(a[:, None] - b[None, :]) + 1).mean() / 2)


def pair_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Return the Pearson correlation of n pairs; None for n < 3 or a constant side. Above 0, pairing adds power."""
    constant = any(len(side) < 3 or np.ptp(np.round(side, DECIMALS)) == 0 for side in (first, second))
    return None if constant else float(np.corrcoef(first, second)[0, 1])
