"""Corrected resampled t-test: a plain t is overconfident where training sets overlap (Nadeau and Bengio 2003)."""

from __future__ import annotations

import math

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, degenerate, differences
from analysis.statistics.paired_t import t_result


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return t with variance s^2 (1/J + evaluation / train), df = J - 1, for [J, 2] scores, one row a split or fold.

    Raises ValueError without `options.evaluation_to_train` (for k folds: 1 / (k - 1); Bouckaert and Frank 2004).
    """
    ratio = options.evaluation_to_train
    if ratio is None or not ratio > 0:
        raise ValueError("the corrected resampled t needs the ratio of evaluation to training items, above 0")
    difference = differences(values)
    note = degenerate(difference)
    if note is not None:
        only = float(difference[0]) if len(difference) > 1 else None
        return TestResult(ci_low=only, ci_high=only, note=note)
    error = float(np.std(difference, ddof=1)) * math.sqrt(1 / len(difference) + ratio)
    return t_result(float(np.mean(difference)), error, len(difference) - 1, options.alpha)


def _smallest_p(n: int, systems: int) -> float:
    return 0.0 if n >= 2 else 1.0


TEST = StatisticalTest(
    name="corrected_resampled_t",
    title="Corrected resampled t-test",
    systems="two",
    values="scores",
    assumes="differences that are about normal, with a correlation between splits of evaluation / (evaluation + train)",
    generalises_over="new train/test draws",
    source="Nadeau and Bengio 2003; Bouckaert and Frank 2004",
    smallest_p=_smallest_p,
    run=run,
)
