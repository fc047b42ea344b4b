"""Solves for the critical values of a mean whose variance has two estimated parts, and writes them as a table.

Usage: python -m benchmarks.welch_aspin_table; writes analysis/inference/welch_aspin.json (about 5 minutes).

D is normal with mean 0 and variance a + b. The parts are estimated independently, as a W and b V with W and V
chi-square over their degrees of freedom. Reject where |D| exceeds c(R) standard errors, with R = aW / (aW + bV) the
estimated share of the first part. Wanted is the function c whose level is alpha for every true share (Welch 1947;
Aspin 1948). It is Student's t with Satterthwaite's degrees of freedom times exp(y), and y is solved by least squares at
knots of R so that the level is alpha at sixty true shares, with a penalty on its curvature.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from analysis.inference.welch_aspin import ALPHAS, INVERSE_DF, MANY, SHARES, TABLE, pairs_of_df, satterthwaite

Floats = NDArray[np.float64]
NODES, TRUE_SHARES, ROUNDS = 40, 60, 60
SMOOTH, ABOVE = 0.5, 3.0  # weights of the curvature of y, and of a level above alpha
MOST = 1.02  # of alpha, after which y is raised towards Student's t with the fewer degrees of freedom
FOUR_DECIMALS = 1e4
INSIDE = np.array([0.0] + [1.0] * (len(SHARES) - 2) + [0.0])


@dataclass(frozen=True)
class Design:
    """Quadrature over W and V for every true share: the weights, the scale of |D|, and where R falls between knots."""

    weights: Floats
    scale: Floats
    df: Floats
    below: NDArray[np.int64]
    part: Floats


def chi_square(df: float) -> tuple[Floats, Floats]:
    """Return nodes and weights for a mean over chi-square / df: the trapezoid rule in its logarithm."""
    if not np.isfinite(df):
        return np.ones(1), np.ones(1)
    low, high = stats.chi2.ppf(1e-13, df) / df, stats.chi2.isf(1e-13, df) / df
    logs = np.linspace(np.log(low), np.log(high), NODES)
    weights = stats.chi2.pdf(df * np.exp(logs), df) * df * np.exp(logs)
    return np.exp(logs), weights / weights.sum()


def design(first: float, second: float) -> Design:
    """Return the quadrature for two parts with these degrees of freedom."""
    w, of_w = chi_square(first)
    v, of_v = chi_square(second)
    share = (1 - np.cos(np.linspace(0, np.pi, TRUE_SHARES)))[:, None, None] / 2
    a, b = share * w[:, None], (1 - share) * v
    total = a + b
    estimated = (a / total).reshape(TRUE_SHARES, -1)
    below = np.clip(np.searchsorted(SHARES, estimated, side="right") - 1, 0, len(SHARES) - 2)
    part = (estimated - SHARES[below]) / (SHARES[below + 1] - SHARES[below])
    weights = np.outer(of_w, of_v).ravel()
    df = satterthwaite(estimated, 1 / first, 1 / second)
    return Design(weights, np.sqrt(total).reshape(TRUE_SHARES, -1), df, below, part)


def solve(of: Design, alpha: float, start: Floats, cap: Floats) -> Floats:
    """Return y at SHARES: 0 at both ends, where one part is all there is and Student's t is exact.

    Levenberg's method from `start`. Where no smooth y has the level alpha at all shares, it is at most MOST times
    alpha: `cap` is the y of Student's t with the fewer degrees of freedom, whose level is never above alpha (Mickey and
    Brown 1966).
    """
    student = special.stdtrit(of.df, 1 - alpha / 2) * of.scale
    curvature = SMOOTH * np.diff(np.eye(len(SHARES)), 2, axis=0)[:, 1:-1]
    y, damping = start, 1e-6
    miss, slope = _misses(of, student, alpha, y, curvature)
    for _ in range(ROUNDS):
        normal = slope.T @ slope
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -slope.T @ miss)
        new = y + np.concatenate([[0.0], step, [0.0]])
        next_miss, next_slope = _misses(of, student, alpha, new, curvature)
        gained = miss @ miss - next_miss @ next_miss
        if not gained >= 0:
            damping = max(damping * 10, 1e-6)
            if damping > 1e6:
                break
            continue
        y, miss, slope, damping = new, next_miss, next_slope, max(damping / 10, 1e-9)
        if gained < 1e-9:
            break
    return _within(of, student, alpha, np.minimum(y, cap), cap)


def _misses(of: Design, student: Floats, alpha: float, y: Floats, curvature: Floats) -> tuple[Floats, Floats]:
    level, jacobian = _level(of, student, y)
    logs = np.log(level / alpha)
    weights = np.where(logs > 0, ABOVE, 1.0)
    slope = np.concatenate([(weights / level)[:, None] * jacobian[:, 1:-1], curvature])
    return np.concatenate([weights * logs, curvature @ y[1:-1]]), slope


def _within(of: Design, student: Floats, alpha: float, y: Floats, cap: Floats) -> Floats:
    """Move y towards the cap until no level is above MOST times alpha."""
    for part in np.linspace(0, 1, 401):
        raised: Floats = y + part * (cap - y)
        if _level(of, student, raised)[0].max() <= MOST * alpha:
            return raised
    return cap


def _level(of: Design, student: Floats, y: Floats) -> tuple[Floats, Floats]:
    reach = student * np.exp(y[of.below] * (1 - of.part) + y[of.below + 1] * of.part)
    level = 2 * special.ndtr(-reach) @ of.weights
    slope = -2 * np.exp(-(reach**2) / 2) / np.sqrt(2 * np.pi) * reach * of.weights
    rows = np.arange(len(reach))[:, None] * len(SHARES)
    size = len(reach) * len(SHARES)
    lower = np.bincount((rows + of.below).ravel(), (slope * (1 - of.part)).ravel(), size)
    upper = np.bincount((rows + of.below + 1).ravel(), (slope * of.part).ravel(), size)
    return level, np.asarray(lower + upper, dtype=np.float64).reshape(len(reach), len(SHARES))


def solved() -> tuple[NDArray[np.int64], float]:
    """Return y in units of 1e-4, [df, df, alpha, share], for first >= second in INVERSE_DF; and the worst level."""
    size = len(INVERSE_DF)
    table = np.zeros((size, size, len(ALPHAS), len(SHARES)))
    worst = 0.0
    for i, j in pairs_of_df():
        first, second = (1 / u if u else np.inf for u in (INVERSE_DF[i], INVERSE_DF[j]))
        of = design(first, second)
        y = np.zeros(len(SHARES))
        for number, alpha in enumerate(ALPHAS):
            ends = satterthwaite(SHARES, 1 / first, 1 / second)
            cap = np.log(
                special.stdtrit(min(first, second, MANY), 1 - alpha / 2) / special.stdtrit(ends, 1 - alpha / 2)
            )
            y = solve(of, alpha, y, cap * INSIDE)
            table[i, j, number], table[j, i, number] = y, y[::-1]
            level, _ = _level(of, special.stdtrit(of.df, 1 - alpha / 2) * of.scale, y)
            worst = max(worst, float(level.max() / alpha))
        sys.stderr.write(f"{first:g} {second:g}: largest level so far {worst:.3f} of alpha\n")
    return np.round(table * FOUR_DECIMALS).astype(np.int64), worst


def main() -> None:
    """Write the table, and the largest level over alpha with four and more degrees of freedom."""
    table, worst = solved()
    document = {"made_by": "python -m benchmarks.welch_aspin_table", "worst_level": round(worst, 3)}
    rows = [table[i, j].tolist() for i, j in pairs_of_df()]
    Path(TABLE).write_text(json.dumps(document | {"y": rows}, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
