"""The seam of every statistical test: one documented array in, one result out, and what the test can and cannot say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DECIMALS = 12  # values closer than 1e-12 are ties: the rest of their digits is rounding


@dataclass(frozen=True)
class TestOptions:
    """What a test needs besides the values: alpha (intervals have level 1 - alpha), randomness, and split sizes.

    `evaluation_to_train` is evaluation items divided by training items of one split; only resampled tests use it.
    `rope` is the region of practical equivalence in the unit of the scores; `resamples` how often a bootstrap draws.
    """

    __test__ = False

    alpha: float = 0.05
    generator: np.random.Generator | None = None
    evaluation_to_train: float | None = None
    rope: float | None = None
    resamples: int = 10_000


@dataclass(frozen=True)
class TestResult:
    """A two-sided test. None stands for what does not exist; `note` says why a p is missing."""

    __test__ = False

    statistic: float | None = None
    df: float | None = None
    p: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    note: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StatisticalTest:
    """One test of two systems, of three or more ("many"), or of any number.

    `run(values, options)` takes values [n, systems]: a row is a block (seed, split, item), paired by row.
    `smallest_p(n, systems)` is the smallest p that n rows can give, so that a plan can refuse to spend on nothing.
    `values` says what a cell holds: a score, or a hit (1) or miss (0) on one item; "items" are scores of single items
    with seeds crossed, [items, seeds, systems]. `answer` says what comes out: a p; an interval only; the details only
    (probabilities or distances that are no p). `paired` is false where the rows of two systems are independent;
    `needs_direction` says that larger values must be better.
    """

    name: str
    title: str
    systems: Literal["two", "many", "any"]
    values: Literal["scores", "hits", "items"]
    assumes: str
    generalises_over: str
    source: str
    smallest_p: Callable[[int, int], float]
    run: Callable[[Floats, TestOptions], TestResult]
    answer: Literal["p", "interval", "details"] = "p"
    paired: bool = True
    needs_direction: bool = False


def blocks(values: Any, systems: int | None = None) -> Floats:
    """Float [n, systems], rounded to 1e-12; raises ValueError for another shape or values that are not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or (systems is not None and array.shape[1] != systems):
        raise ValueError(f"values must be [n, {systems or 'systems'}], got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite: a missing score never enters a test")
    return np.round(array, DECIMALS)


def differences(values: Any) -> Floats:
    """First minus second column of [n, 2], rounded to 1e-12 so that equal differences are equal."""
    pairs = blocks(values, systems=2)
    return np.round(pairs[:, 0] - pairs[:, 1], DECIMALS)


def degenerate(difference: Floats) -> str | None:
    """Why paired differences [n] allow no test, or None."""
    if len(difference) < 2:
        return f"too few pairs: {len(difference)}"
    if np.ptp(difference) == 0:
        return f"deterministic: difference = {difference[0]:.6g}, no test"
    return None
