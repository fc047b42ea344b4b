"""Kendall's W: how far do the blocks agree on the order of the systems? 0: not at all, 1: fully (Kendall 1939)."""

from __future__ import annotations

from dataclasses import replace

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult
from analysis.statistics import friedman


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return W (corrected for ties) of [n, k] scores, with the p of the Friedman test, which tests W.

    Raises ValueError for fewer than three systems; no p for fewer than two rows or rows that are all tied.
    """
    result = friedman.run(values, options)
    return replace(result, statistic=result.details.get("kendall_w"), df=None)


TEST = StatisticalTest(
    name="kendall_w",
    title="Kendall's W",
    systems="many",
    values="scores",
    assumes="blocks that are independent; p is the chi-square approximation",
    generalises_over="new blocks (seeds, or data sets) like these",
    source="Kendall and Babington Smith 1939",
    smallest_p=friedman.TEST.smallest_p,
    run=run,
    needs_direction=True,
)
