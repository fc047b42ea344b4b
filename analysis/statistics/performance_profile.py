"""Performance profile: on what share of tasks and seeds does a system score above each level? (Agarwal et al. 2021)"""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, blocks

LEVELS = 101


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the profiles of [n, systems] scores; a higher curve is better. Where curves cross, it depends on the task.

    details: levels [T] from the lowest score to the highest, shares [systems, T] of the rows above each level.
    """
    scores = blocks(values)
    if len(scores) == 0:
        return TestResult(note="no rows")
    levels = np.linspace(scores.min(), scores.max(), LEVELS)
    shares = (scores.T[:, :, None] > levels).mean(axis=1)
    return TestResult(details={"levels": levels.tolist(), "shares": shares.tolist()})


def _smallest_p(n: int, systems: int) -> float:
    return 1.0


TEST = StatisticalTest(
    name="performance_profile",
    title="Performance profile",
    systems="any",
    values="scores",
    assumes="scores on one scale",
    generalises_over="nothing by itself: it describes these rows",
    source="Agarwal, Schwarzer, Castro, Courville and Bellemare 2021; Dolan and More 2002",
    smallest_p=_smallest_p,
    run=run,
    answer="details",
    paired=False,
)
