"""All systems at once, as a description beside the pairs: Friedman, Nemenyi, repeated-measures ANOVA."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.config import CompareConfig
from analysis.inference.interface import Setting, TestResult
from analysis.inference.pairing import Floats, blocks
from analysis.statistics import friedman, nemenyi, repeated_measures_anova


def describe_all(runs: pd.DataFrame, systems: Sequence[str], config: CompareConfig) -> dict[str, Any]:
    """Test name -> its numbers over complete blocks; {} for fewer than three systems. Holm pairs stand on their own.

    friedman: statistic, df, p, n, kendall_w, statistic_uncorrected, critical_difference, mean_ranks {system: rank}.
    nemenyi: statistic (largest difference of mean ranks), p, n, critical_difference, mean_ranks, pairs [{a, b, p}].
    repeated_measures_anova: statistic (F), df, p (Greenhouse-Geisser), n, epsilon, df_numerator, df_denominator,
    p_uncorrected, partial_eta_squared. note says why a number is missing.
    """
    if len(systems) < 3:
        return {}
    scores = blocks(runs, systems).scores * (1.0 if config.direction == "maximize" else -1.0)
    setting = Setting(config.alpha)
    return {
        "friedman": _friedman(scores, systems, setting),
        "nemenyi": _nemenyi(scores, systems, setting),
        "repeated_measures_anova": _numbers(repeated_measures_anova.run(scores, setting), len(scores)),
    }


def _friedman(scores: Floats, systems: Sequence[str], setting: Setting) -> dict[str, Any]:
    found = _numbers(friedman.run(scores, setting), len(scores))
    return {"kendall_w": None, **found, "mean_ranks": _by_system(systems, found)}


def _nemenyi(scores: Floats, systems: Sequence[str], setting: Setting) -> dict[str, Any]:
    found = _numbers(nemenyi.run(scores, setting), len(scores))
    p = found.pop("p_values", None)
    pairs = [
        {"a": systems[first], "b": systems[second], "p": p[first][second]}
        for first, second in itertools.combinations(range(len(systems)), 2)
        if p is not None
    ]
    return found | {"mean_ranks": _by_system(systems, found), "pairs": pairs}


def _by_system(systems: Sequence[str], found: Mapping[str, Any]) -> dict[str, float]:
    return dict(zip(systems, found.get("mean_ranks", []), strict=False))


def _numbers(result: TestResult, n: int) -> dict[str, Any]:
    numbers = {"statistic": result.statistic, "df": result.df, "p": result.p, "n": n}
    return {**numbers, **result.details, "note": result.note}
