"""Tests all systems at once (Friedman, Nemenyi, repeated-measures ANOVA), and runs the tests of `compare.tests`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis import registry
from analysis.comparison.design import Design
from analysis.config import CompareConfig
from analysis.inference.holm import holm
from analysis.inference.interface import StatisticalTest, TestOptions, TestResult
from analysis.inference.pairing import Floats, Key, ScoreGrid, blocks, score_grid
from analysis.statistics import friedman, nemenyi, repeated_measures_anova
from analysis.tables.normalize import KEYS

COLUMNS = (
    "test", "title", "a", "b", *KEYS, "n", "statistic", "df", "p", "p_holm", "ci_low", "ci_high", "systems", "details",
    "generalises_over", "source", "note",
)  # fmt: skip
_ON_ONE_SPLIT = (
    "over seeds on one split, such tests separate equal systems in 38 to 74% of cases, as they take the items as given"
)
_STREAM = 2 * 10**6  # of the generator; the streams of pairs have lower numbers


@dataclass(frozen=True, eq=False)
class _Case:
    """The input of one call of a test: values [n, systems], the systems, and the runs' key if they share one."""

    systems: tuple[str, ...]
    values: Floats
    key: Key = (None,) * len(KEYS)


def run_optional(
    runs: pd.DataFrame,
    predictions: pd.DataFrame,
    systems: Sequence[str],
    config: CompareConfig,
    generator_seed: int,
    design: Design,
) -> pd.DataFrame:
    """Run `config.tests` (columns COLUMNS). `details` and `systems` are JSON texts; p_holm corrects within one test.

    Tests of two systems have one row per pair, tests of many one row in all (a and b empty). Tests of hits and misses
    have one row for every seed, split seed and fold that all their systems share: they compare single checkpoints, and
    checkpoints of several folds, which learned from each other's items, must not be pooled (Bengio and Grandvalet
    2004). Tests of which system is better, and not only whether they differ, get scores signed so that larger is
    better.
    """
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(config.tests):
        test: StatisticalTest = registry.load("test", name)
        cases = list(_cases(test, runs, predictions, systems))
        results = []
        for index, case in enumerate(cases):
            generator = np.random.default_rng((generator_seed, _STREAM, number, index))
            options = TestOptions(config.alpha, generator, rope=config.rope, resamples=config.resamples)
            sign = -1.0 if test.needs_direction and config.direction == "minimize" else 1.0
            results.append(_noted(test, _run(test, sign * case.values, options), design))
        adjusted = holm([result.p for result in results])
        rows += [_row(test, *outcome) for outcome in zip(cases, results, adjusted, strict=True)]
        if not cases:
            rows.append(_row(test, _Case((), np.empty((0, 0))), TestResult(note=_nothing(test)), None))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _run(test: StatisticalTest, values: Floats, options: TestOptions) -> TestResult:
    """Run a test; one that cannot take these values says so in its row."""
    try:
        return test.run(values, options)
    except ValueError as error:
        return TestResult(note=str(error))


def _noted(test: StatisticalTest, result: TestResult, design: Design) -> TestResult:
    """Say what a test of all systems over seeds on one split leaves out."""
    if test.systems != "many" or test.values != "scores" or design.has_many_blocks or result.note is not None:
        return result
    return replace(result, note=_ON_ONE_SPLIT)


def _nothing(test: StatisticalTest) -> str:
    needed = {"two": "two systems", "many": "three systems", "any": "one system"}[test.systems]
    shared = " with item predictions of a common seed, split and fold" if test.values == "hits" else ""
    return f"it needs at least {needed}{shared}"


def _cases(
    test: StatisticalTest, runs: pd.DataFrame, predictions: pd.DataFrame, systems: Sequence[str]
) -> Iterator[_Case]:
    groups = list(itertools.combinations(systems, 2)) if test.systems == "two" else [tuple(systems)]
    if test.systems == "many" and len(systems) < 3:
        return
    grid = score_grid(runs, systems)
    if test.values == "hits":
        hits = _hits(runs, predictions)
        for group in groups:
            yield from _of_checkpoints(group, grid, runs, hits)
        return
    for group in groups:
        yield _Case(tuple(group), grid.blocks(group).scores)


def _hits(runs: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return hits and misses, a row per item and a column per run: an item is a hit if all of it is correct."""
    if predictions.empty or "run_id" not in runs.columns or "correct" not in predictions.columns:
        return pd.DataFrame()
    scored = runs[runs["score"].notna()].set_index("run_id")
    own = predictions[predictions["run_id"].isin(scored.index) & predictions["correct"].notna()]
    if "score_split" in scored.columns and scored["score_split"].notna().all():
        own = own[own["split"] == own["run_id"].map(scored["score_split"])]
    return own["correct"].astype(bool).groupby([own["item"], own["run_id"]]).all().unstack("run_id")


def _of_checkpoints(
    systems: tuple[str, ...], grid: ScoreGrid, runs: pd.DataFrame, hits: pd.DataFrame
) -> Iterator[_Case]:
    """Yield one case per key (seed, split seed, fold) for which every system has a run with predictions."""
    complete = grid.blocks(systems)
    for key, rows in zip(complete.keys, complete.rows, strict=True):
        names = runs["run_id"].iloc[rows].tolist() if len(hits) else []
        if names and set(names) <= set(hits.columns):
            yield _Case(systems, hits[names].dropna().to_numpy(dtype=np.float64), key)


def _row(test: StatisticalTest, case: _Case, result: TestResult, p_holm: float | None) -> dict[str, Any]:
    pair = case.systems if test.systems == "two" and case.systems else (None, None)
    numbers: Mapping[str, Any] = {
        "statistic": result.statistic,
        "df": result.df,
        "p": result.p,
        "p_holm": p_holm,
        "ci_low": result.ci_low,
        "ci_high": result.ci_high,
    }
    return {
        "test": test.name,
        "title": test.title,
        "a": pair[0],
        "b": pair[1],
        **{name: None if value is None else str(value) for name, value in zip(KEYS, case.key, strict=True)},
        "n": len(case.values),
        **numbers,
        "systems": json.dumps(list(case.systems), ensure_ascii=False),
        "details": json.dumps(dict(result.details), allow_nan=False),
        "generalises_over": test.generalises_over,
        "source": test.source,
        "note": result.note,
    }


def describe_all(runs: pd.DataFrame, systems: Sequence[str], config: CompareConfig) -> dict[str, Any]:
    """Run the omnibus tests over complete blocks: test name -> numbers; {} for fewer than three systems.

    Blocks are data sets, splits or folds: over seeds on one split, these tests separate equal systems in 38 to 74%.
    friedman: statistic, df, p, n, kendall_w, statistic_uncorrected, critical_difference, mean_ranks {system: rank}.
    nemenyi: statistic (largest difference of mean ranks), p, n, critical_difference, mean_ranks, pairs [{a, b, p}].
    repeated_measures_anova: statistic (F), df, p (Greenhouse-Geisser), n, epsilon, df_numerator, df_denominator,
    p_uncorrected, partial_eta_squared. note says why a number is missing. The Holm-corrected pairs do not depend on
    these tests.
    """
    if len(systems) < 3:
        return {}
    scores = blocks(runs, systems).scores * (1.0 if config.direction == "maximize" else -1.0)
    options = TestOptions(config.alpha)
    return {
        "friedman": _friedman(scores, systems, options),
        "nemenyi": _nemenyi(scores, systems, options),
        "repeated_measures_anova": _numbers(repeated_measures_anova.run(scores, options), len(scores)),
    }


def _friedman(scores: Floats, systems: Sequence[str], options: TestOptions) -> dict[str, Any]:
    numbers = _numbers(friedman.run(scores, options), len(scores))
    return {"kendall_w": None, **numbers, "mean_ranks": _by_system(systems, numbers)}


def _nemenyi(scores: Floats, systems: Sequence[str], options: TestOptions) -> dict[str, Any]:
    numbers = _numbers(nemenyi.run(scores, options), len(scores))
    p = numbers.pop("p_values", None)
    pairs = [
        {"a": systems[first], "b": systems[second], "p": p[first][second]}
        for first, second in itertools.combinations(range(len(systems)), 2)
        if p is not None
    ]
    return numbers | {"mean_ranks": _by_system(systems, numbers), "pairs": pairs}


def _by_system(systems: Sequence[str], numbers: Mapping[str, Any]) -> dict[str, float]:
    return dict(zip(systems, numbers.get("mean_ranks", []), strict=False))


def _numbers(result: TestResult, n: int) -> dict[str, Any]:
    numbers = {"statistic": result.statistic, "df": result.df, "p": result.p, "n": n}
    return {**numbers, **result.details, "note": result.note}
