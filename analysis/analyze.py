"""From result tables to an answer: summaries, pairwise comparisons, verdicts, and the words that state them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from analysis import cautions, data_sets
from analysis.config import CompareConfig, Direction
from analysis.design import Design, design_warnings, over_data_sets, read_design, splits_vary
from analysis.family import compare_all
from analysis.headline import headline
from analysis.item_counts import ItemCounts, NotShared, read_item_counts
from analysis.omnibus import describe_all
from analysis.optional_tests import run_optional
from analysis.output import write
from analysis.payload import to_json
from analysis.results import Results, read
from analysis.sensitivity import score_failures
from analysis.statistics import sign_flip
from analysis.systems import find_controls, numeric, refuse_pruned, summarize, with_metric

COMPARISON_COLUMNS = (
    "a b control_a control_b n_pairs dropped_pairs mean_a mean_b std_a std_b mean_diff std_diff ci_low ci_high t df p "
    "p_holm p_sign_flip wilcoxon_statistic wilcoxon_p dz hedges_gz prob_superiority prob_superiority_low "
    "prob_superiority_high a12 correlation shapiro_p tost_p smallest_p detectable_dz detectable_difference failure_p "
    "failure_difference primary_method primary_p primary_p_holm primary_ci_low primary_ci_high primary_df n_items "
    "variance_seeds variance_items percentile_low percentile_high significant_05 significant_01 verdict reason "
    "seeds_to_decide advice sentence"
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
    primary_* are the test that carries the verdict (primary_method); where it resamples items, n_items counts them
    (clusters, where there are some), variance_seeds and variance_items are the parts of the variance of mean_diff that
    more seeds, or only more items, make smaller, and percentile_* is the plain bootstrap interval. seeds_to_decide: how
    many seeds would show the observed difference with 80% power (missing: none would); advice says it in words.
    control_a and control_b are "negative" where that system is a control; its pairs are part of Holm's family.
    omnibus: `omnibus.describe_all`, for three or more systems. sensitivity: `sensitivity.COLUMNS`, one row a pair with
    runs that have no score. optional: `optional_tests.COLUMNS`, the results of `compare.tests`. tasks:
    `data_sets.TASK_COLUMNS`, one row a system and data set where several data sets are compared (else empty); then
    `results.runs` has one row a system and data set too, whose `seed` is the data set.
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
    sensitivity: pd.DataFrame
    optional: pd.DataFrame
    tasks: pd.DataFrame

    @property
    def best(self) -> str | None:
        """The system with the best mean that is no control; None where there is none."""
        found = self.systems.loc[self.systems["control"].isna() & self.systems["mean"].notna(), "system"]
        return None if found.empty else str(found.iloc[0])

    @property
    def unit(self) -> Literal["run", "data set"]:
        """What one score of `results.runs` is of."""
        return "run" if self.tasks.empty else "data set"

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
    refuse_pruned(results.runs)
    study = _study(results, config)
    runs, design = study.results.runs, study.design
    systems, controls = summarize(runs, config), find_controls(runs, config)
    names = systems["system"].tolist()
    rows, pairs = compare_all(runs, names, design, config, generator_seed, study.items)
    sensitivity, said = score_failures(runs, rows, design, config, generator_seed, study.items)
    known = set(names) | set(runs["recipe"].dropna() if "recipe" in runs.columns else [])
    warnings = [
        *results.warnings,
        *study.warnings,
        *cautions.about_systems(systems),
        *cautions.about_pairs(rows, pairs, design.unit),
        *cautions.about_failures(rows, config),
        *said,
        *cautions.about_controls(rows, controls, config, known),
    ]
    return Analysis(
        results=study.results,
        metric=study.metric,
        direction=config.direction,
        alpha=config.alpha,
        rope=config.rope,
        systems=systems,
        comparisons=_comparisons(rows, controls),
        omnibus=describe_all(runs, names, config),
        warnings=tuple(dict.fromkeys(warnings)),
        claim=design.claim,
        headline=headline(names, rows, study.metric, controls),
        provenance=_provenance(generator_seed, study.items, config),
        sensitivity=sensitivity,
        optional=numeric(run_optional(runs, study.results.predictions, names, config, generator_seed)),
        tasks=study.tasks,
    )


def _comparisons(rows: Sequence[Mapping[str, Any]], controls: Mapping[str, str]) -> pd.DataFrame:
    marked = [{**row, "control_a": controls.get(row["a"]), "control_b": controls.get(row["b"])} for row in rows]
    return numeric(pd.DataFrame(marked, columns=COMPARISON_COLUMNS.split()))


@dataclass(frozen=True, eq=False)
class _Study:
    """What is compared: scored runs by the chosen metric, the design, and the items that runs share, if any."""

    results: Results
    metric: str
    design: Design
    items: ItemCounts | None
    tasks: pd.DataFrame
    warnings: list[str]


def _study(results: Results, config: CompareConfig) -> _Study:
    if data_sets.several(results.runs):
        return _study_over_data_sets(results, config)
    runs, metric = with_metric(results.runs, config.metric)
    items, why_not = _item_counts(runs, results.predictions, metric, config)
    design = read_design(runs, config, items, why_not)
    tasks = pd.DataFrame(columns=list(data_sets.TASK_COLUMNS))
    return _Study(replace(results, runs=runs), metric, design, items, tasks, design_warnings(design, items))


def _study_over_data_sets(results: Results, config: CompareConfig) -> _Study:
    """One block a data set; what single runs left behind (epochs, predictions) is not about this comparison."""
    found = [with_metric(own, config.metric) for _, own in results.runs.groupby(data_sets.labels(results.runs))]
    runs, tasks = data_sets.over_data_sets(pd.concat([own for own, _ in found]), config.direction == "maximize")
    metric = ", ".join(dict.fromkeys(name for _, name in found))
    averaged = replace(results, runs=runs, epochs=results.epochs.iloc[:0], predictions=results.predictions.iloc[:0])
    return _Study(averaged, metric, over_data_sets(), None, tasks, data_sets.data_set_warnings(tasks))


def _options(experiment: Mapping[str, Any] | None) -> CompareConfig:
    compare = (experiment or {}).get("compare")
    return CompareConfig.model_validate(compare) if compare is not None else CompareConfig()


def _item_counts(
    runs: pd.DataFrame, predictions: pd.DataFrame, metric: str, config: CompareConfig
) -> tuple[ItemCounts | None, str | None]:
    """The items that all runs share, or why they cannot be used; neither where another test was fixed beforehand."""
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
