"""Holm's step-down correction: many comparisons, one family-wise error rate (Holm 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return the adjusted p of each p; None or NaN (no test) stays None and is not part of the family."""
    tested = [k for k, value in enumerate(p) if value is not None and not math.isnan(value)]
    adjusted: list[float | None] = [None] * len(p)
    for k, value in zip(tested, _step_down(np.array([p[k] for k in tested], dtype=np.float64)), strict=True):
        adjusted[k] = float(value)
    return adjusted


def _step_down(p: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted
