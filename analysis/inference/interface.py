"""What every statistical test takes and returns: one documented array in, one result out, and the test's limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DECIMALS = 12  # values closer than 1e-12 are ties: further digits are rounding


@dataclass(frozen=True)
class TestOptions:
    """What a test needs besides the values: alpha (intervals have level 1 - alpha), randomness, and split sizes.

    `evaluation_to_train` is evaluation items divided by training items of one split; only resampled tests use it.
    `rope` is the region of practical equivalence in the unit of the scores; `resamples` the number of bootstrap draws.
    """

    __test__ = False

    alpha: float = 0.05
    generator: np.random.Generator | None = None
    evaluation_to_train: float | None = None
    rope: float | None = None
    resamples: int = 10_000


@dataclass(frozen=True)
class TestResult:
    """The result of a two-sided test. None marks numbers that do not exist; `note` says why a p is missing."""

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
    `smallest_p(n, systems)` is the smallest p that n rows can give, so that a plan can refuse hopeless runs.
    `values` says what a cell holds: a score, or a hit (1) or miss (0) on one item; "items" are scores of single items
    with seeds crossed, [items, seeds, systems]. `answer` says what the test returns: a p; only an interval; or only
    details (probabilities or distances that are not p-values). `paired` is false where the rows of two systems are
    independent; `needs_direction` means that larger values must be better.
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
    """Return float [n, systems], rounded to 1e-12. Raises ValueError for another shape or non-finite values."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or (systems is not None and array.shape[1] != systems):
        raise ValueError(f"values must be [n, {systems or 'systems'}], got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite: a missing score never enters a test")
    return np.round(array, DECIMALS)


def differences(values: Any) -> Floats:
    """Return first minus second column of [n, 2], rounded to 1e-12 so that equal differences compare as equal."""
    pairs = blocks(values, systems=2)
    return np.round(pairs[:, 0] - pairs[:, 1], DECIMALS)


def degenerate(difference: Floats) -> str | None:
    """Return why paired differences [n] allow no test, or None."""
    if len(difference) < 2:
        return f"too few pairs: {len(difference)}"
    if np.ptp(difference) == 0:
        return f"deterministic: difference = {difference[0]:.6g}, no test"
    return None
