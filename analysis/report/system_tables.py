"""The report's tables of systems and runs: summary, spread, every score, failures, and answers that differ."""

from __future__ import annotations

import pandas as pd

from analysis.formatting import better, decimals, interval, number, whole
from analysis.plotting.figure import SCORED
from analysis.report import export_tables
from analysis.report.table import Table, TableColumn, field, labelled, level, seed, system, text
from analysis.result import Analysis
from analysis.tables.normalize import KEYS

MOST_ERROR_CHARACTERS = 400
MOST_ANSWERS = 12

_COLLAPSED = field("Collapsed", "collapsed", "runs whose answers say nothing of the items; they stay in", whole)
_SCORELESS = field("Without score", "scoreless", "runs that diverged or failed", whole)


def summary(analysis: Analysis) -> Table:
    """One row a system, the best mean first: what describes it."""
    systems, unit = analysis.systems, analysis.unit
    places = _score_places(analysis)
    columns = [
        system(),
        field("n", "n", f"{unit}s with a score", whole),
        field("Mean", "mean", f"mean score over these {unit}s", number, places),
        field("Std", "std", f"standard deviation of single {unit}s (n - 1 in the denominator)", number, places),
        TableColumn(
            f"{level(analysis)} interval",
            f"t interval of the mean over {unit}s; no substitute for the paired comparison",
            lambda row: interval(row["ci_low"], row["ci_high"], places),
        ),
    ]
    rows = systems.assign(scoreless=systems["diverged"].fillna(0) + systems["failed"].fillna(0))
    unusual = {"collapsed": _COLLAPSED, "scoreless": _SCORELESS}
    columns += [column for name, column in unusual.items() if rows[name].fillna(0).any()]
    return Table(f"{analysis.metric} per system ({better(analysis.direction)})", columns, rows.to_dict("records"))


def spread(analysis: Analysis) -> Table:
    """One row a system: where its runs lie, for readers who distrust means."""
    places, unit = _score_places(analysis), analysis.unit
    columns = [
        system(),
        field("Lowest", "min", f"lowest score of a {unit}", number, places),
        field("Median", "median", f"middle {unit}", number, places),
        field("IQM", "iqm", f"interquartile mean: mean of the middle half of the {unit}s", number, places),
        field("Highest", "max", f"highest score of a {unit}", number, places),
    ]
    return Table(f"Where the {unit}s of a system lie ({analysis.metric})", columns, analysis.systems.to_dict("records"))


def _score_places(analysis: Analysis) -> int:
    return decimals(pd.concat([analysis.systems["min"], analysis.systems["max"]]))


def scores(analysis: Analysis) -> Table:
    """Every score; the longer side of systems and seeds (with split and fold, where they vary) goes down the page."""
    runs = analysis.results.runs
    known = [key for key in KEYS if runs[key].nunique() > 1] or ["seed"]
    scored = runs[runs["status"].isin(SCORED)]
    systems = [name for name in analysis.systems["system"] if name in set(scored["system"])]
    places = decimals(scored["score"])
    caption = f"{analysis.metric} of every {analysis.unit}"
    if len(systems) <= scored.groupby(known).ngroups:
        wide = scored.pivot_table(index=known, columns="system", values="score", observed=True).reset_index()
        keys = [text(_heading(key, analysis), key) for key in known]
        return Table(caption, [*keys, *(field(labelled(analysis, name), name, "", number, places) for name in systems)],
                    wide.to_dict("records"))  # fmt: skip
    cell = scored[known].astype(str).agg(", ".join, axis=1)
    wide = scored.assign(cell=cell).pivot_table(index="system", columns="cell", values="score", sort=False)
    head = " ".join(_heading(key, analysis) for key in known)
    columns = [field(f"{head} {name}", name, "", number, places) for name in wide.columns]
    return Table(caption, [system(), *columns], wide.loc[systems].reset_index().to_dict("records"))


def _heading(key: str, analysis: Analysis) -> str:
    return seed(analysis) if key == "seed" else key.replace("_", " ")


def uneven_answers(analysis: Analysis) -> Table | None:
    """The answers on which the two best systems differ most; None where predictions do not tell."""
    found = export_tables.answer_table(analysis)
    if found is None or found.empty:
        return None
    frame = found.head(MOST_ANSWERS)
    a, b = frame["a"].iloc[0], frame["b"].iloc[0]
    columns = [
        text("Item", "item", "the item of the data set"),
        *([field("Position", "position", "which answer within the item", whole)] if "position" in frame else []),
        text("Gold", "gold", "the right answer"),
        text(f"{a} says", "said_a", "its most frequent answer over seeds"),
        field(f"{a} right", "right_a", "share of its seeds that are right", number, 2),
        text(f"{b} says", "said_b", "its most frequent answer over seeds"),
        field(f"{b} right", "right_b", "share of its seeds that are right", number, 2),
    ]
    return Table("Answers on which the two best systems differ most", columns, frame.to_dict("records"))


def failures(analysis: Analysis) -> Table | None:
    """Every run that is not a plain success, with its reason; None if there is none."""
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
        text("Status", "status", "collapsed runs have a score and stay in; the others have none"),
        field("Attempt", "attempt", "the attempt that this row is of; 1 is the first", whole),
        text("Reason", "error", "first line of the error; the run's log has the rest"),
        text("Run", "run_id", "its identity, as orchestrate logs takes it"),
    ]
    return Table("Runs that did not complete at the first attempt", columns, shown.to_dict("records"))


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:MOST_ERROR_CHARACTERS]
