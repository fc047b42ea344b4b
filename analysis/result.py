"""The result of a comparison as one value: `analyze` computes it; tables, figures and reports are made from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from analysis.config import CompareConfig, Direction
from analysis.formatting import as_row, plain
from analysis.search.findings import Findings
from analysis.tables.read import Results
from analysis.tables.schema import SCHEMA_VERSION

COMPARISON_COLUMNS = (
    "a b control_a control_b n_pairs dropped_pairs mean_a mean_b std_a std_b mean_diff std_diff ci_low ci_high t df p "
    "p_holm p_sign_flip wilcoxon_statistic wilcoxon_p dz hedges_gz prob_superiority prob_superiority_low "
    "prob_superiority_high a12 correlation shapiro_p tost_p tost_p_holm smallest_p detectable_dz detectable_difference "
    "failure_p failure_difference primary_method primary_p primary_p_holm primary_ci_low primary_ci_high primary_df "
    "simultaneous_low simultaneous_high n_items variance_seeds variance_items variance_answers effective_items seeds "
    "other_seeds_p other_seeds_p_holm percentile_low percentile_high significant_05 significant_01 verdict "
    "beyond_margin reason seeds_to_decide seeds_to_decide_low seeds_to_decide_high items_to_decide_low "
    "items_to_decide_high advice sentence"
)
_PRIMARY = ("method", "p", "p_holm", "df", "ci_low", "ci_high")


@dataclass(frozen=True, eq=False)
class Analysis:
    """The result: `systems` has one row per system (best mean first), `comparisons` one row per pair.

    `results.runs.score` is the analysed metric. NaN or None means that a number does not exist.
    systems columns: system, control, n, mean, std (ddof 1), min, max, median, iqm, ci_low, ci_high (t interval of the
    mean, level 1 - alpha), runs, collapsed, diverged, failed, failure_rate, selected_on_evaluation (bool),
    collapse_rate with its exact interval collapse_low, collapse_high, mean_without_collapse, and RANKING_COLUMNS of
    `comparison/ranking.py` (empty with a baseline).
    comparisons columns: COMPARISON_COLUMNS. mean_diff is mean a - mean b over complete pairs; p, p_holm, ci_* and
    significant_* (Holm p below .05, .01) belong to the paired t; prob_superiority is the share of pairs in which a is
    better, a12 the same for any run of a and of b; detectable_* are at 80% power and the first Holm step; verdict is
    what a is compared with b: better, worse, equivalent, inconclusive or undecidable.
    tost_p_holm is corrected over the equivalence tests alone; simultaneous_* is the interval of the primary test that
    holds for all pairs together, and beyond_margin says whether it lies wholly outside the region of equivalence.
    primary_* belong to the test that the verdict rests on (primary_method); where it resamples items, n_items counts
    them (or their clusters), variance_seeds and variance_items are the parts of the variance of mean_diff that more
    seeds, or only more items, reduce, variance_answers the part of variance_seeds that either reduces; effective_items
    says on how many items variance_items rests, and percentile_* is the plain bootstrap interval. seeds is
    "paired" or "independent" (`comparison/seed_pairing.py`); other_seeds_p is the p of the same test with the seeds
    treated the other way. *_holm are corrected over the family, with Shaffer's factors.
    seeds_to_decide: how many seeds would show a difference of `rope` with 80% power (missing: no number would, or no
    rope is stated); *_low and *_high are its range, as the variances are known from few seeds and items; with these
    seeds it takes items_to_decide_*. advice says it in words.
    control_a and control_b are "negative" where that system is a control; its pairs are part of the family.

    - omnibus: `requested_tests.describe_all`, for three or more systems over splits, folds or data sets.
    - sensitivity: `failure_sensitivity.COLUMNS`, one row per pair with runs that have no score.
    - optional: `requested_tests.COLUMNS`, the results of `compare.tests`.
    - tasks: `systems.TASK_COLUMNS`, one row per system and data set where several data sets are compared (else empty);
      then `results.runs` has the same rows, with the data set as `seed`.
    - search: what a hyper-parameter search found, if there was one; if no comparison followed it, `systems` and
      `comparisons` are empty.
    - options: the rules that were applied.
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
    search: Findings | None = None
    options: CompareConfig = field(default_factory=CompareConfig)

    @property
    def best(self) -> str | None:
        """The system with the best mean that is not a control; None if there is none."""
        ranked = self.systems.loc[self.systems["control"].isna() & self.systems["mean"].notna(), "system"]
        return None if ranked.empty else str(ranked.iloc[0])

    @property
    def unit(self) -> Literal["run", "data set"]:
        """What one score of `results.runs` belongs to."""
        return "run" if self.tasks.empty else "data set"

    def to_json(self) -> dict[str, Any]:
        """Return the document that `analyze --json` prints: plain values, null for a number that does not exist."""
        return {
            "schema_version": SCHEMA_VERSION,
            "metric": self.metric,
            "direction": self.direction,
            "alpha": self.alpha,
            "rope": self.rope,
            "headline": self.headline,
            "claim": self.claim,
            "systems": [as_row(row) for _, row in self.systems.iterrows()],
            "comparisons": [_comparison(row) for _, row in self.comparisons.iterrows()],
            "omnibus": plain(self.omnibus),
            "sensitivity": _records(self.sensitivity),
            "tasks": _records(self.tasks),
            "extra": [_decoded(row) for row in _records(self.optional)],
            "warnings": list(self.warnings),
            "provenance": plain(self.provenance),
            "sources": list(self.results.sources),
            **({"search": self.search.to_json()} if self.search is not None else {}),
        }


def _comparison(row: pd.Series[Any]) -> dict[str, Any]:
    flat = as_row(row)
    primary = {name: flat.pop(f"primary_{name}") for name in _PRIMARY}
    return flat | {"primary": primary}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [as_row(row) for _, row in frame.iterrows()]


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """Decode `details` and `systems`, which are JSON texts in the table and values in the document."""
    return row | {name: json.loads(row[name]) for name in ("details", "systems")}
