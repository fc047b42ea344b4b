"""From result tables to an answer: summaries, pairwise comparisons, verdicts, and the words that state them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import cautions
from analysis.config import CompareConfig, Direction
from analysis.design import design_warnings, read_design
from analysis.family import compare_all
from analysis.output import write
from analysis.pairing import blocks
from analysis.payload import to_json
from analysis.results import Results, read
from analysis.sentences import headline
from analysis.statistical_test import Setting
from analysis.statistics import friedman, sign_flip
from analysis.systems import find_controls, numeric, refuse_pruned, summarize, with_metric

COMPARISON_COLUMNS = (
    "a b n_pairs dropped_pairs mean_a mean_b std_a std_b mean_diff std_diff ci_low ci_high t df p p_holm p_sign_flip "
    "wilcoxon_statistic wilcoxon_p dz hedges_gz prob_superiority prob_superiority_low prob_superiority_high a12 "
    "correlation shapiro_p tost_p smallest_p detectable_dz detectable_difference failure_p failure_difference "
    "primary_method primary_p primary_p_holm primary_ci_low primary_ci_high significant_05 significant_01 verdict "
    "reason sentence"
)
__all__ = ["COMPARISON_COLUMNS", "Analysis", "analyze", "analyze_results", "write"]

_LIBRARIES = ("numpy", "scipy", "statsmodels", "pandas", "pyarrow")


@dataclass(frozen=True, eq=False)
class Analysis:
    """The answer. `systems` has one row a system (best mean first), `comparisons` one row a pair, every pair once.

    `results.runs.score` is the analysed metric. NaN or None stands where a number does not exist.
    systems columns: system, control, n, mean, std (ddof 1), min, max, median, iqm, ci_low, ci_high (t interval of the
    mean, level 1 - alpha), runs, collapsed, diverged, failed, failure_rate, selected_on_evaluation (bool).
    comparisons columns: COMPARISON_COLUMNS. mean_diff is mean a - mean b over complete pairs; p, p_holm, ci_* and
    significant_* (Holm p below .05, .01) are the paired t's; prob_superiority is the share of pairs in which a is
    better, a12 the same for any run of a and of b; detectable_* are at 80% power and the first Holm step; verdict is
    what a is compared with b: better, worse, equivalent, inconclusive or undecidable.
    omnibus: {"friedman": {statistic, df, p, kendall_w, mean_ranks {system: rank}, n, ...}} for three or more systems.
    """

    results: Results
    metric: str
    direction: Direction
    alpha: float
    rope: float | None
    systems: pd.DataFrame
    comparisons: pd.DataFrame
    omnibus: dict[str, Any]
    warnings: tuple[str, ...]
    claim: str
    headline: str
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The document that `analyze --json` prints; every number is finite or null."""
        return to_json(self)


def analyze(
    sources: Sequence[str | Path], *, options: CompareConfig | None = None, generator_seed: int = 0
) -> Analysis:
    """Read the sources and answer which system is better, by how much, and what that holds for.

    `options` None: the `compare` part of the experiment file, else the defaults. Same input and seed, same answer.
    Raises what `results.read` raises, and ValueError for pruned runs or a metric the runs lack.
    """
    return analyze_results(read(sources), options=options, generator_seed=generator_seed)


def analyze_results(results: Results, *, options: CompareConfig | None = None, generator_seed: int = 0) -> Analysis:
    """The same for results that were read already."""
    config = options if options is not None else _options(results.experiment)
    runs, metric = with_metric(results.runs, config.metric)
    refuse_pruned(runs)
    systems = summarize(runs, config)
    names = systems["system"].tolist()
    design = read_design(runs, config, has_predictions=not results.predictions.empty)
    rows, pairs = compare_all(runs, names, design, config, generator_seed)
    known = set(names) | set(runs["recipe"].dropna() if "recipe" in runs.columns else [])
    warnings = [
        *results.warnings,
        *design_warnings(design),
        *cautions.about_systems(systems),
        *cautions.about_pairs(rows, pairs),
        *cautions.about_failures(rows, config),
        *cautions.about_controls(rows, find_controls(runs, config), config, known),
    ]
    return Analysis(
        results=replace(results, runs=runs),
        metric=metric,
        direction=config.direction,
        alpha=config.alpha,
        rope=config.rope,
        systems=systems,
        comparisons=numeric(pd.DataFrame(rows, columns=COMPARISON_COLUMNS.split())),
        omnibus=_omnibus(runs, names, config),
        warnings=tuple(dict.fromkeys(warnings)),
        claim=design.claim,
        headline=headline(names, rows, metric),
        provenance=_provenance(generator_seed),
    )


def _options(experiment: Mapping[str, Any] | None) -> CompareConfig:
    compare = (experiment or {}).get("compare")
    return CompareConfig.model_validate(compare) if compare is not None else CompareConfig()


def _omnibus(runs: pd.DataFrame, systems: Sequence[str], config: CompareConfig) -> dict[str, Any]:
    """Friedman over complete blocks, as a description: the pairs stand on their own."""
    if len(systems) < 3:
        return {}
    found = blocks(runs, systems)
    sign = 1.0 if config.direction == "maximize" else -1.0
    result = friedman.run(sign * found.scores, Setting(config.alpha))
    details = dict(result.details)
    ranks = dict(zip(systems, details.pop("mean_ranks", []), strict=False))
    numbers = {"statistic": result.statistic, "df": result.df, "p": result.p, "n": len(found.keys)}
    return {"friedman": {**numbers, "kendall_w": None, **details, "mean_ranks": ranks, "note": result.note}}


def _provenance(generator_seed: int) -> dict[str, Any]:
    return {
        "generator_seed": generator_seed,
        "resamples": {"sign_flip": f"all 2^n up to n = {sign_flip.EXACT_UP_TO}, else {sign_flip.RESAMPLES}"},
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }
