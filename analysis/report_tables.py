"""The tables of the report: every column says what it is, every cell keeps the exact value behind its rounded form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.figure import SCORED
from analysis.normalize import KEYS
from analysis.typography import METHODS, MINUS, better, decimals, exists, interval, number, p_value, signed, whole

if TYPE_CHECKING:
    from analysis.analyze import Analysis

MOST_ERROR_CHARACTERS = 400


@dataclass(frozen=True)
class Column:
    """A column: its heading, what it means, how a row's cell is written, and the field its exact value is in."""

    heading: str
    meaning: str
    write: Callable[[Any], str]
    field: str | None = None
    kind: str = "number"

    def exact(self, row: Any) -> str | None:
        """The unrounded value, for the tooltip and for sorting."""
        return str(row[self.field]) if self.field and exists(row[self.field]) else None


@dataclass(frozen=True)
class Grid:
    """A table as it is printed: `rows` are records that the columns write; the first column names the row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Any]


def _field(heading: str, field: str, meaning: str, write: Callable[..., str], *arguments: int) -> Column:
    return Column(heading, meaning, lambda row: write(row[field], *arguments), field)


def _text(heading: str, field: str, meaning: str = "") -> Column:
    return Column(heading, meaning, lambda row: str(row[field]) if exists(row[field]) else "", kind="text")


_COLLAPSED = _field("Collapsed", "collapsed", "runs that only ever predict the majority class; they stay in", whole)
_SCORELESS = _field("Without score", "scoreless", "runs that diverged or failed", whole)


def summary(analysis: Analysis) -> Grid:
    """One row a system, the best mean first."""
    systems = analysis.systems
    places = decimals(pd.concat([systems["min"], systems["max"]]))
    level = f"{100 * (1 - analysis.alpha):g}%"
    columns = [
        Column("System", "what is compared: a model trained by a recipe", lambda row: str(row["system"]), kind="name"),
        _field("n", "n", "runs with a score", whole),
        _field("Mean", "mean", "mean score over these runs", number, places),
        _field("Std", "std", "standard deviation of single runs (n - 1 in the denominator)", number, places),
        Column(
            f"{level} interval",
            "t interval of the mean over runs; no statement about new data, no substitute for the paired comparison",
            lambda row: interval(row["ci_low"], row["ci_high"], places),
        ),
        _field("Min", "min", "lowest score of a run", number, places),
        _field("Median", "median", "middle run", number, places),
        _field("Max", "max", "highest score of a run", number, places),
        _field("IQM", "iqm", "interquartile mean: mean of the middle half of the runs", number, places),
    ]
    rows = systems.assign(scoreless=systems["diverged"].fillna(0) + systems["failed"].fillna(0))
    unusual = {"collapsed": _COLLAPSED, "scoreless": _SCORELESS}
    columns += [column for name, column in unusual.items() if rows[name].fillna(0).any()]
    return Grid(f"{analysis.metric} per system ({better(analysis.direction)})", columns, rows.to_dict("records"))


def verdicts(analysis: Analysis) -> Grid:
    """One row a pair: what carries the answer."""
    places = decimals(analysis.comparisons["mean_diff"])
    level = f"{100 * (1 - analysis.alpha):g}%"
    columns = [
        _pair(),
        Column(
            "Verdict", "what the first system is, compared with the second", lambda row: row["verdict"], kind="verdict"
        ),
        _field("Pairs", "n_pairs", "seeds (with split and fold) that both systems completed", whole),
        _field("Difference", "mean_diff", "mean of the first system minus mean of the second", signed, places),
        Column(
            f"{level} interval",
            "interval of the difference by the primary test, not widened for the number of comparisons",
            lambda row: interval(row["primary_ci_low"], row["primary_ci_high"], places),
        ),
        _field(
            "p, Holm", "primary_p_holm", "primary p-value, corrected over all comparisons; the verdict uses it", p_value
        ),
        _field(
            "Hedges g_z",
            "hedges_gz",
            "mean difference in standard deviations of the differences, bias-corrected",
            signed,
            2,
        ),
        _field(
            "P(A>B)",
            "prob_superiority",
            "share of the pairs in which the first system is better; ties count half",
            number,
            2,
        ),
    ]
    return Grid("Every pair of systems", columns, analysis.comparisons.to_dict("records"))


def tests(analysis: Analysis) -> Grid:
    """One row a pair: every number behind the verdict."""
    pairs = analysis.comparisons
    places = decimals(pairs["mean_diff"])
    columns = [
        _pair(),
        Column(
            "Primary test",
            "the test whose corrected p-value decides, fixed by the design; where two are named, both must agree",
            lambda row: METHODS.get(row["primary_method"], str(row["primary_method"])),
            kind="text",
        ),
        _field("Primary p", "primary_p", "its p-value before correction", p_value),
        _field("t", "t", "statistic of the paired t-test", signed, 3),
        _field("df", "df", "its degrees of freedom", whole),
        _field("p, paired t", "p", "two-sided p-value of the paired t-test", p_value),
        _field("Holm", "p_holm", "the same, corrected over all comparisons", p_value),
        _field("p, sign-flip", "p_sign_flip", "exact two-sided sign-flip test of the differences", p_value),
        _field("p, Wilcoxon", "wilcoxon_p", "Wilcoxon signed-rank test of the differences", p_value),
        _field(
            "Smallest p",
            "smallest_p",
            "the smallest p-value that the primary test can reach with this many pairs",
            p_value,
        ),
        Column(
            f"{100 * (1 - analysis.alpha):g}% interval, t",
            "paired t interval of the difference, one at a time",
            lambda row: interval(row["ci_low"], row["ci_high"], places),
        ),
        *_effects(places),
    ]
    return Grid("Every test and effect size", columns, pairs.to_dict("records"))


def _effects(places: int) -> list[Column]:
    """Sizes of the difference, and what so many pairs could have found."""
    return [
        _field("d_z", "dz", "mean difference in standard deviations of the differences", signed, 2),
        Column(
            "P(A>B) interval",
            "interval of the share of pairs in which the first system is better",
            lambda row: interval(row["prob_superiority_low"], row["prob_superiority_high"], 2),
        ),
        _field(
            "A12", "a12", "chance that a random run of the first beats a random run of the second (unpaired)", number, 2
        ),
        _field(
            "r",
            "correlation",
            "correlation of the two systems' scores over seeds: high is why pairing helps",
            signed,
            2,
        ),
        _field(
            "Detectable", "detectable_difference", "difference that this many seeds find with 80% power", number, places
        ),
        _field("Dropped", "dropped_pairs", "seeds left out because one of the two systems has no score", whole),
    ]


def _pair() -> Column:
    return Column("A and B", "difference = A minus B", lambda row: f"{row['a']} {MINUS} {row['b']}", kind="pair")


def scores(analysis: Analysis) -> Grid:
    """Every score: one row a seed (with split and fold, where they vary), one column a system."""
    runs = analysis.results.runs
    known = [key for key in KEYS if runs[key].nunique() > 1] or ["seed"]
    systems = list(analysis.systems["system"])
    scored = runs[runs["status"].isin(SCORED)]
    wide = scored.pivot_table(index=known, columns="system", values="score", observed=True).reset_index()
    places = decimals(scored["score"])
    keys = [_text(key.replace("_", " "), key) for key in known]
    columns = [_field(name, name, "", number, places) for name in systems if name in wide.columns]
    return Grid(f"{analysis.metric} of every run", [*keys, *columns], wide.to_dict("records"))


def failures(analysis: Analysis) -> Grid | None:
    """Every run that is not a plain success, with its reason; None if there is none."""
    runs = analysis.results.runs
    again = runs["attempt"].fillna(1) > 1 if "attempt" in runs.columns else False
    unusual = runs[(runs["status"] != "completed") | again]
    if unusual.empty:
        return None
    shown = unusual.reindex(columns=["system", *KEYS, "status", "attempt", "error", "run_id"])
    shown["error"] = shown["error"].map(_first_line, na_action="ignore")
    columns = [
        Column("System", "", lambda row: str(row["system"]), kind="name"),
        *(_text(key.replace("_", " "), key) for key in KEYS if shown[key].notna().any()),
        _text("Status", "status", "collapsed runs have a score and stay in; the others have none"),
        _field("Attempt", "attempt", "the attempt that this row is of; 1 is the first", whole),
        _text("Reason", "error", "first line of the error; the run's log has the rest"),
        _text("Run", "run_id", "its identity, as orchestrate logs takes it"),
    ]
    return Grid("Runs that did not complete at the first attempt", columns, shown.to_dict("records"))


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:MOST_ERROR_CHARACTERS]
