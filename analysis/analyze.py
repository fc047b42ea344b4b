"""Analyzes result tables: summaries, pairwise comparisons, verdicts, and the words that state them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparison.all_pairs import compare_family, open_family
from analysis.comparison.design import (
    KNOWN_CLUSTERS,
    Design,
    data_sets_design,
    design_warnings,
    read_design,
    splits_vary,
    stated_claim,
)
from analysis.comparison.failure_sensitivity import score_failures
from analysis.comparison.item_counts import ItemCounts, NotShared, read_item_counts
from analysis.comparison.pair import PairResult
from analysis.comparison.ranking import Place, rank_all
from analysis.comparison.requested_tests import describe_all, run_optional
from analysis.comparison.seed_pairing import seed_warnings
from analysis.comparison.selection import count_looks
from analysis.comparison.systems import (
    TASK_COLUMNS,
    data_set_means,
    data_set_warnings,
    find_controls,
    has_several_data_sets,
    numeric,
    refuse_pruned,
    refuse_unknown_baseline,
    summarize,
    with_metric,
    with_ranking,
)
from analysis.config import CompareConfig
from analysis.report.write import write
from analysis.result import COMPARISON_COLUMNS, Analysis
from analysis.search.findings import read_findings
from analysis.search.summary import about_comparison
from analysis.search_only import search_alone
from analysis.statistics import sign_flip
from analysis.tables.normalize import data_set_labels
from analysis.tables.read import Results, read
from analysis.text.headline import headline
from analysis.text.sentences import in_words
from analysis.text.warnings import (
    about_collapse,
    about_controls,
    about_failures,
    about_open_pairs,
    about_pairs,
    about_runs,
    about_selection,
    about_sensitivity,
    about_systems,
)

__all__ = ["COMPARISON_COLUMNS", "Analysis", "analyze", "analyze_results", "write"]

_LIBRARIES = ("numpy", "scipy", "statsmodels", "pandas", "pyarrow")


def analyze(
    sources: Sequence[str | Path], *, options: CompareConfig | None = None, generator_seed: int = 0
) -> Analysis:
    """Read the sources and determine which system is better, by how much, and what the result generalises to.

    `options` None: the `compare` part of the experiment file, else the defaults. The same input and seed give the same
    result. Raises what `tables.read.read` raises, and ValueError for pruned runs or a metric the runs lack.
    """
    return analyze_results(read(sources), options=options, generator_seed=generator_seed)


def analyze_results(results: Results, *, options: CompareConfig | None = None, generator_seed: int = 0) -> Analysis:
    """Analyze results that have already been read; see `analyze`."""
    config = options if options is not None else _options(results.experiment)
    if results.runs.empty:
        return search_alone(results, config)
    refuse_pruned(results.runs)
    study = _study(results, config)
    runs, design = study.results.runs, study.design
    systems, controls = summarize(runs, config), find_controls(runs, config)
    names = systems["system"].tolist()
    refuse_unknown_baseline(names, config)
    compared, pairs, places = _compare(study, names, controls, config, generator_seed)
    rows = in_words(compared, config, systems)
    sensitivity = score_failures(runs, compared, design, config, generator_seed, study.items)
    searched = read_findings(results, study.metric, config.direction, names)
    known = set(names) | set(runs["recipe"].dropna() if "recipe" in runs.columns else [])
    warnings = [
        *results.warnings,
        *study.warnings,
        *about_systems(systems),
        *about_runs(results.runs),
        *about_pairs(rows, pairs, design.unit),
        *about_failures(rows, config),
        *about_open_pairs(rows),
        *about_selection(rows, design.looks, config),
        *about_sensitivity(sensitivity),
        *about_controls(rows, controls, config, known),
        *(about_comparison(searched.systems, runs) if searched else ()),
    ]
    return Analysis(
        results=study.results,
        metric=study.metric,
        direction=config.direction,
        alpha=config.alpha,
        rope=config.rope,
        systems=with_ranking(systems, places),
        comparisons=_comparisons(rows, controls),
        omnibus=describe_all(runs, names, config) if design.has_many_blocks else {},
        warnings=tuple(dict.fromkeys(warnings)),
        claim=stated_claim(design, {row["primary_method"] for row in rows}),
        headline=headline(names, rows, study.metric, controls, places, config, about_collapse(systems)),
        provenance=_provenance(generator_seed, study.items, config),
        sensitivity=sensitivity.pairs,
        optional=numeric(run_optional(runs, study.results.predictions, names, config, generator_seed, design)),
        tasks=study.tasks,
        search=searched,
        options=config,
    )


def _compare(
    study: _Study, names: Sequence[str], controls: Mapping[str, str], config: CompareConfig, generator_seed: int
) -> tuple[list[dict[str, Any]], list[PairResult], dict[str, Place]]:
    """Compare all pairs, and rank the systems that are no controls."""
    family, grid = open_family(study.results.runs, names, study.design, config, generator_seed, study.items)
    rows, pairs = compare_family(family, grid, generator_seed)
    ranked = [name for name in names if name not in controls]
    return rows, pairs, rank_all(rows, pairs, family, grid, ranked, generator_seed)


def _comparisons(rows: Sequence[Mapping[str, Any]], controls: Mapping[str, str]) -> pd.DataFrame:
    marked = [{**row, "control_a": controls.get(row["a"]), "control_b": controls.get(row["b"])} for row in rows]
    return numeric(pd.DataFrame(marked, columns=COMPARISON_COLUMNS.split()))


@dataclass(frozen=True, eq=False)
class _Study:
    """What is compared: the runs scored by the chosen metric, the design, and the items that all runs share, if any."""

    results: Results
    metric: str
    design: Design
    items: ItemCounts | None
    tasks: pd.DataFrame
    warnings: list[str]


def _study(results: Results, config: CompareConfig) -> _Study:
    several = has_several_data_sets(results.runs)
    study = _study_over_data_sets(results, config) if several else _study_of_one_data_set(results, config)
    looks = count_looks(results.runs, results.experiment)
    return replace(study, design=replace(study.design, looks=looks))


def _study_of_one_data_set(results: Results, config: CompareConfig) -> _Study:
    runs, metric = with_metric(results.runs, config.metric)
    items, why_not = _item_counts(runs, results.predictions, metric, config)
    known_clusters = any(text.endswith(KNOWN_CLUSTERS) for text in results.warnings)
    design = read_design(runs, config, items, why_not, known_clusters)
    tasks = pd.DataFrame(columns=list(TASK_COLUMNS))
    warnings = [*design_warnings(design, items), *seed_warnings(config, design.method)]
    return _Study(replace(results, runs=runs), metric, design, items, tasks, warnings)


def _study_over_data_sets(results: Results, config: CompareConfig) -> _Study:
    """Compare with one block per data set; the epochs and predictions of single runs are dropped."""
    scored = [with_metric(own, config.metric) for _, own in results.runs.groupby(data_set_labels(results.runs))]
    runs, tasks = data_set_means(pd.concat([own for own, _ in scored]), config.direction == "maximize")
    metric = ", ".join(dict.fromkeys(name for _, name in scored))
    averaged = replace(results, runs=runs, epochs=results.epochs.iloc[:0], predictions=results.predictions.iloc[:0])
    warnings = [*data_set_warnings(tasks), *seed_warnings(config, data_sets_design().method)]
    return _Study(averaged, metric, data_sets_design(), None, tasks, warnings)


def _options(experiment: Mapping[str, Any] | None) -> CompareConfig:
    compare = (experiment or {}).get("compare")
    return CompareConfig.model_validate(compare) if compare is not None else CompareConfig()


def _item_counts(
    runs: pd.DataFrame, predictions: pd.DataFrame, metric: str, config: CompareConfig
) -> tuple[ItemCounts | None, str | None]:
    """Return the items that all runs share, or why they cannot be used; neither if another test is fixed."""
    if config.primary not in ("auto", "multi_bootstrap") or splits_vary(runs):
        return None, None
    if predictions.empty and config.primary == "auto":
        return None, None
    try:
        return read_item_counts(runs, predictions, metric), None
    except NotShared as error:
        return None, str(error)


def _provenance(generator_seed: int, items: ItemCounts | None, config: CompareConfig) -> dict[str, Any]:
    resamples: dict[str, Any] = {"sign_flip": f"all 2^n up to n = {sign_flip.EXACT_UP_TO}, else {sign_flip.RESAMPLES}"}
    if items is not None:
        resamples |= {"multi_bootstrap": config.resamples, "items": items.num_items, "units": items.num_units}
    return {
        "generator_seed": generator_seed,
        "resamples": resamples,
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }
