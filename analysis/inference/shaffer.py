"""Shaffer's step-down correction for all pairs: like Holm's, with the factors that logic allows (Shaffer 1986).

If a = b and b = c, then a = c. So once one of the three pairs of three systems differs, at most one other pair can be
equal, and the second smallest p is multiplied by 1 instead of Holm's 2. The family-wise error rate stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

MOST_SYSTEMS = 200


def shaffer(p: Sequence[float | None], systems: int) -> list[float | None]:
    """Return the adjusted p of pairs of `systems`; None or NaN (no test) stays None and is not part of the family.

    Where only some pairs are tested, no factor is above Holm's, so that a comparison with one system gives Holm's p.
    """
    tested = [k for k, value in enumerate(p) if value is not None and not math.isnan(value)]
    adjusted: list[float | None] = [None] * len(p)
    values = np.array([p[k] for k in tested], dtype=np.float64)
    for k, value in zip(tested, adjust(values, systems), strict=True):
        adjusted[k] = float(value)
    return adjusted


def adjust(p: NDArray[np.float64], systems: int) -> NDArray[np.float64]:
    """Return the adjusted p of [..., pairs], each row a family of its own, at most 1."""
    order = np.argsort(p, axis=-1, kind="stable")
    steps = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * factors(systems, p.shape[-1]), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(steps, 1.0), axis=-1)
    return adjusted


def factors(systems: int, tested: int) -> NDArray[np.int64]:
    """Return for each step how many of the tested pairs can be equal, given that all earlier ones differ.

    Beyond MOST_SYSTEMS, where it makes no difference, Holm's factors, which are never smaller.
    """
    pairs = systems * (systems - 1) // 2
    if tested > pairs:
        raise ValueError(f"{systems} systems have {pairs} pairs, got {tested}")
    steps = np.arange(tested)
    if systems > MOST_SYSTEMS:
        return tested - steps
    possible = _equal_pairs(systems)
    largest = possible[np.searchsorted(possible, pairs - steps, side="right") - 1]
    return np.maximum(np.minimum(largest, tested - steps), 1)


@cache
def _equal_pairs(systems: int) -> NDArray[np.int64]:
    """Return in rising order how many pairs can be equal: systems fall into groups of equals, of any sizes."""
    can_be = [np.ones(1, dtype=bool)]
    for number in range(1, systems + 1):
        counts = np.zeros(number * (number - 1) // 2 + 1, dtype=bool)
        for size in range(1, number + 1):
            own, rest = size * (size - 1) // 2, can_be[number - size]
            counts[own : own + len(rest)] |= rest
        can_be.append(counts)
    return np.flatnonzero(can_be[systems]).astype(np.int64)
