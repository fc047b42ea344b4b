"""The report's tables of systems and runs: summary, spread, every score, failures, and disagreements."""

from __future__ import annotations

import pandas as pd

from analysis.formatting import better, decimals, exists, interval, number, whole
from analysis.plotting.figure import SCORED
from analysis.report import export_tables
from analysis.report.table import Table, TableColumn, field, labelled, level, seed, system, text
from analysis.result import Analysis
from analysis.tables.normalize import KEYS

MOST_ERROR_CHARACTERS = 400
MOST_DISAGREEMENTS = 12

_COLLAPSED = field("Collapsed", "collapsed", "runs with the same output for every item; they are kept", whole)
_SCORELESS = field("Without score", "scoreless", "runs that diverged or failed", whole)


def summary(analysis: Analysis) -> Table:
    """Return the summary, one row per system, the best mean first."""
    systems, unit = analysis.systems, analysis.unit
    digits = _score_digits(analysis)
    columns = [
        system(),
        field("n", "n", f"{unit}s with a score", whole),
        field("Mean", "mean", f"mean score over these {unit}s", number, digits),
        field("Std", "std", f"standard deviation of single {unit}s (n - 1 in the denominator)", number, digits),
        TableColumn(
            f"{level(analysis)} interval",
            f"t interval of the mean over {unit}s; no substitute for the paired comparison",
            lambda row: interval(row["ci_low"], row["ci_high"], digits),
        ),
    ]
    if systems["rank_low"].notna().any() and len(systems) > 2:
        columns += _ranking(analysis)
    rows = systems.assign(scoreless=systems["diverged"].fillna(0) + systems["failed"].fillna(0))
    if rows["collapsed"].fillna(0).any():
        columns += _collapse(analysis, digits)
    unusual = {"collapsed": _COLLAPSED, "scoreless": _SCORELESS}
    columns += [column for name, column in unusual.items() if rows[name].fillna(0).any()]
    return Table(f"{analysis.metric} per system ({better(analysis.direction)})", columns, rows.to_dict("records"))


def _collapse(analysis: Analysis, digits: int) -> list[TableColumn]:
    return [
        TableColumn(
            "Collapse rate",
            f"share of the scored runs that collapsed, with the exact {level(analysis)} interval",
            lambda row: f"{row['collapse_rate']:.0%} ({row['collapse_low']:.0%} to {row['collapse_high']:.0%})"
            if exists(row["collapse_rate"])
            else "",
            kind="text",
        ),
        field("Mean of the others", "mean_without_collapse", "mean score of the runs that did not collapse", number,
               digits),
    ]  # fmt: skip


def _ranking(analysis: Analysis) -> list[TableColumn]:
    return [
        TableColumn(
            "May be best",
            f"no if another system beats it; those that may be hold the true best with {level(analysis)} confidence",
            lambda row: "" if not exists(row["may_be_best"]) else "yes" if row["may_be_best"] else "no",
            kind="text",
        ),
        TableColumn(
            "Ranks",
            "possible ranks, by the corrected comparisons of all pairs; 1 is best",
            lambda row: _between(row["rank_low"], row["rank_high"]),
        ),
        field("P(best)", "p_best", "share of joint draws of new seeds (and items, where known) in which its mean is "
               "the best: a description, not a test", number, 2),
    ]  # fmt: skip


def _between(low: float, high: float) -> str:
    if not exists(low):
        return ""
    return whole(low) if low == high else f"{whole(low)} to {whole(high)}"


def spread(analysis: Analysis) -> Table:
    """Return where the runs of each system lie, one row per system, for readers who distrust means."""
    digits, unit = _score_digits(analysis), analysis.unit
    columns = [
        system(),
        field("Lowest", "min", f"lowest score of a {unit}", number, digits),
        field("Median", "median", f"middle {unit}", number, digits),
        field("IQM", "iqm", f"interquartile mean: mean of the middle half of the {unit}s", number, digits),
        field("Highest", "max", f"highest score of a {unit}", number, digits),
    ]
    return Table(f"Where the {unit}s of a system lie ({analysis.metric})", columns, analysis.systems.to_dict("records"))


def _score_digits(analysis: Analysis) -> int:
    return decimals(pd.concat([analysis.systems["min"], analysis.systems["max"]]))


def scores(analysis: Analysis) -> Table:
    """Return every score; the longer of systems and seeds (with split and fold if they vary) goes down the page."""
    runs = analysis.results.runs
    known = [key for key in KEYS if runs[key].nunique() > 1] or ["seed"]
    scored = runs[runs["status"].isin(SCORED)]
    systems = [name for name in analysis.systems["system"] if name in set(scored["system"])]
    digits = decimals(scored["score"])
    caption = f"{analysis.metric} of every {analysis.unit}"
    if len(systems) <= scored.groupby(known).ngroups:
        wide = scored.pivot_table(index=known, columns="system", values="score", observed=True).reset_index()
        keys = [text(_heading(key, analysis), key) for key in known]
        return Table(caption, [*keys, *(field(labelled(analysis, name), name, "", number, digits) for name in systems)],
                    wide.to_dict("records"))  # fmt: skip
    cell = scored[known].astype(str).agg(", ".join, axis=1)
    wide = scored.assign(cell=cell).pivot_table(index="system", columns="cell", values="score", sort=False)
    head = " ".join(_heading(key, analysis) for key in known)
    columns = [field(f"{head} {name}", name, "", number, digits) for name in wide.columns]
    return Table(caption, [system(), *columns], wide.loc[systems].reset_index().to_dict("records"))


def _heading(key: str, analysis: Analysis) -> str:
    return seed(analysis) if key == "seed" else key.replace("_", " ")


def disagreements(analysis: Analysis) -> Table | None:
    """Return the predictions on which the two best systems disagree most; None if there are none."""
    every = export_tables.disagreement_table(analysis)
    if every is None or every.empty:
        return None
    frame = every.head(MOST_DISAGREEMENTS)
    a, b = frame["a"].iloc[0], frame["b"].iloc[0]
    columns = [
        text("Item", "item", "the item of the data set"),
        *([field("Position", "position", "which part of the item", whole)] if "position" in frame else []),
        text("Gold", "gold", "the correct label or text"),
        text(f"{a} predicts", "said_a", "its most frequent prediction over seeds"),
        field(f"{a} right", "right_a", "share of its seeds that are right", number, 2),
        text(f"{b} predicts", "said_b", "its most frequent prediction over seeds"),
        field(f"{b} right", "right_b", "share of its seeds that are right", number, 2),
    ]
    return Table("Predictions on which the two best systems disagree most", columns, frame.to_dict("records"))


def failures(analysis: Analysis) -> Table | None:
    """Return every run that is not a plain success, with its reason; None if there is none."""
    runs = analysis.results.runs
    again = runs["attempt"].fillna(1) > 1 if "attempt" in runs.columns else False
    unusual = runs[(runs["status"] != "completed") | again]
    if unusual.empty:
        return None
    shown = unusual.reindex(columns=["system", *KEYS, "status", "attempt", "error", "run_id"])
    shown["error"] = shown["error"].map(_first_line, na_action="ignore")
    columns = [
        TableColumn("System", "", lambda row: str(row["system"]), kind="name"),
        *(text(key.replace("_", " "), key) for key in KEYS if shown[key].notna().any()),
        text("Status", "status", "collapsed runs have a score and are kept; the others have none"),
        field("Attempt", "attempt", "number of the recorded attempt; 1 is the first", whole),
        text("Reason", "error", "first line of the error; the run's log has the rest"),
        text("Run", "run_id", "its id, as in orchestrate logs RUN"),
    ]
    return Table("Runs that did not complete on the first attempt", columns, shown.to_dict("records"))


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:MOST_ERROR_CHARACTERS]
