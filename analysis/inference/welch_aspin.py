"""Tests a mean whose variance is a sum of two estimated parts, at the right level whatever the share of each.

Satterthwaite's approximation is about right at 5%, but far in the tail, where a family of many pairs is decided, its
level is up to three times alpha. Here the critical value is the solution of Welch's equation (Welch 1947; Aspin 1948):
Student's t with Satterthwaite's degrees of freedom times exp(y), with y tabulated over both degrees of freedom, alpha
and the estimated share. `benchmarks/welch_aspin_table.py` solves for the table.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TABLE = Path(__file__).with_suffix(".json")
INVERSE_DF = np.array([0, 1 / 64, 1 / 32, 1 / 18, 1 / 12, 1 / 8, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2])
ALPHAS = np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.025, 0.01, 0.005, 0.002, 0.001, 3e-4, 1e-4, 1e-5])
SHARES = (1 - np.cos(np.linspace(0, np.pi, 21))) / 2  # dense at both ends
MANY = 1e9  # degrees of freedom of a known variance
FEWEST = 2.0  # degrees of freedom in the table
_UNIT = 1e-4  # of the tabulated y


def satterthwaite(share: ArrayLike, inverse_first: ArrayLike, inverse_second: ArrayLike) -> Floats:
    """Return the degrees of freedom of the sum from the share of the first part and 1 / df of both (1946)."""
    of_first, first, second = (np.asarray(given, dtype=np.float64) for given in (share, inverse_first, inverse_second))
    uncertain = of_first**2 * first + (1 - of_first) ** 2 * second
    df: Floats = 1 / np.maximum(uncertain, 1 / MANY)
    return df


def p_value(statistic: ArrayLike, share: ArrayLike, first_df: ArrayLike, second_df: ArrayLike) -> Floats:
    """Return the two-sided p of |statistic| standard errors; `share` is the first part's of the estimated variance.

    All may be arrays of one shape. Degrees of freedom from 2 up; infinity is a variance that is known.
    """
    from scipy import special

    size, of_first, first, second = _arrays(statistic, share, first_df, second_df)
    df = satterthwaite(of_first, first, second)
    student = _student(df)
    reach = np.maximum.accumulate(np.log(student) + _y(of_first, first, second), axis=-1)
    with np.errstate(divide="ignore"):
        wanted = np.log(np.abs(size))
    logs = _interpolated(wanted, reach, np.log(student))
    p: Floats = 2 * special.stdtr(df, -np.exp(logs))
    return p


def critical_value(alpha: float, share: ArrayLike, first_df: ArrayLike, second_df: ArrayLike) -> Floats:
    """Return the standard errors beyond which `p_value` is below alpha."""
    from scipy import special

    _, of_first, first, second = _arrays(0.0, share, first_df, second_df)
    df = satterthwaite(of_first, first, second)
    student = _student(df)
    reach = np.maximum.accumulate(np.log(student) + _y(of_first, first, second), axis=-1)
    value: Floats = np.exp(_interpolated(np.log(-special.stdtrit(df, alpha / 2)), np.log(student), reach))
    return value


def two_system_factor(share: ArrayLike, first_df: ArrayLike, second_df: ArrayLike) -> Floats:
    """Return what Student's t at 5% must be multiplied by where a part is itself the sum of two estimated variances.

    `share` is the first one's of that sum. At least 1: with Satterthwaite's degrees of freedom alone, two systems of
    five seeds and fourfold spreads are called different in 5.3% of cases, not in 5%.
    """
    _, of_first, first, second = _arrays(0.0, share, first_df, second_df)
    at_five_percent = _y(of_first, first, second)[..., int(np.argmin(np.abs(ALPHAS - 0.05)))]
    factor: Floats = np.exp(np.maximum(at_five_percent, 0.0))
    return factor


def equivalent_df(alpha: float, share: float, first_df: float, second_df: float, factor: float = 1.0) -> float:
    """Return the degrees of freedom of the Student's t whose critical value is `factor` times that at alpha."""
    from scipy import optimize, special

    value = factor * float(critical_value(alpha, share, first_df, second_df))
    if value <= -float(special.stdtrit(MANY, alpha / 2)):
        return MANY
    found = optimize.brentq(lambda log: -special.stdtrit(np.exp(log), alpha / 2) - value, np.log(0.5), np.log(MANY))
    return float(np.exp(found))


def pairs_of_df() -> list[tuple[int, int]]:
    """Return the places in INVERSE_DF of the two parts' degrees of freedom, in the order of the table."""
    return [(first, second) for first in range(len(INVERSE_DF)) for second in range(first + 1)]


def _arrays(statistic: ArrayLike, *others: ArrayLike) -> list[Floats]:
    share, first, second = (np.asarray(given, dtype=np.float64) for given in others)
    inverse = [1 / np.maximum(df, FEWEST) for df in (first, second)]
    given = np.broadcast_arrays(np.asarray(statistic, dtype=np.float64), share, *inverse)
    return [np.asarray(values, dtype=np.float64) for values in given]


def _student(df: Floats) -> Floats:
    """Return Student's critical values at ALPHAS, [..., alpha]."""
    from scipy import special

    student: Floats = -special.stdtrit(df[..., None], ALPHAS / 2)
    return student


def _y(share: Floats, first: Floats, second: Floats) -> Floats:
    """Return y at ALPHAS, [..., alpha]: linear in the share and in both inverse degrees of freedom."""
    table = _table()
    places = [_place(axis, at) for axis, at in ((INVERSE_DF, first), (INVERSE_DF, second), (SHARES, share))]
    y = np.zeros((*share.shape, len(ALPHAS)))
    for corner in product((0, 1), repeat=3):
        weight, index = np.ones(share.shape), []
        for upper, (below, part) in zip(corner, places, strict=True):
            weight = weight * (part if upper else 1 - part)
            index.append(below + upper)
        y += weight[..., None] * table[index[0], index[1], index[2]]
    return y


def _place(axis: Floats, at: Floats) -> tuple[NDArray[np.int64], Floats]:
    below = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, len(axis) - 2)
    return below, np.clip((at - axis[below]) / (axis[below + 1] - axis[below]), 0.0, 1.0)


def _interpolated(at: Floats, knots: Floats, values: Floats) -> Floats:
    """Return the piecewise linear function through [..., alpha] knots at [...]; beyond them, its distance stays."""
    below = np.clip((knots <= at[..., None]).sum(axis=-1) - 1, 0, knots.shape[-1] - 2)[..., None]
    low, high = (np.take_along_axis(knots, below + k, axis=-1)[..., 0] for k in (0, 1))
    first, last = (np.take_along_axis(values, below + k, axis=-1)[..., 0] for k in (0, 1))
    inside = np.clip(at, knots[..., 0], knots[..., -1])
    part = np.divide(inside - low, high - low, out=np.zeros_like(low), where=high > low)
    with np.errstate(invalid="ignore"):
        beyond = np.where(np.isfinite(at), at - inside, -np.inf)
    interpolated: Floats = first + np.clip(part, 0.0, 1.0) * (last - first) + beyond
    return interpolated


@cache
def _table() -> Floats:
    """Return y [first df, second df, share, alpha]; the file has one triangle, as both parts may change places."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["y"]
    size = len(INVERSE_DF)
    table = np.zeros((size, size, len(ALPHAS), len(SHARES)))
    for (i, j), row in zip(pairs_of_df(), rows, strict=True):
        table[i, j] = row
        table[j, i] = table[i, j][:, ::-1]
    return np.ascontiguousarray(table.transpose(0, 1, 3, 2)) * _UNIT
