"""The report's tables beside the pairs: all systems at once, the tests that were asked for, and several data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis import registry
from analysis.formatting import MINUS, decimals, exists, interval, number, p_value, whole
from analysis.report.table import Column, Grid, field, labelled, text
from analysis.result import Analysis
from analysis.tables.normalize import KEYS

MORE = {
    "kendall_w": "Kendall's W",
    "critical_difference": "critical difference of mean ranks",
    "epsilon": "Greenhouse-Geisser epsilon",
    "partial_eta_squared": "partial eta squared",
}


def omnibus(analysis: Analysis) -> Grid | None:
    """One row a test of all systems together; None where there is none."""
    rows = [_omnibus_row(name, result) for name, result in analysis.omnibus.items() if isinstance(result, Mapping)]
    if not rows:
        return None
    columns = [
        Column("Test", "", lambda row: row["test"], kind="text"),
        field("Statistic", "statistic", "of this test", number, 3),
        field("df", "df", "degrees of freedom", number, 1),
        field("p", "p", "two-sided; not part of any verdict", p_value),
        text("More", "more", "what else the test reports"),
    ]
    controls = ", controls included" if analysis.systems["control"].notna().any() else ""
    return Grid(f"All systems at once{controls}: a description, the pairs stand on their own", columns, rows)


def _omnibus_row(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    main = {key: result.get(key) for key in ("statistic", "df", "p")}
    said = [f"{name} {number(result[key], 3)}" for key, name in MORE.items() if exists(result.get(key))]
    note = [str(result["note"])] if result.get("note") else []
    return {"test": _title(name), **main, "more": "; ".join([*said, *note])}


def _title(name: str) -> str:
    if name in registry.names("test"):
        return str(registry.load("test", name).title)
    return name.replace("_", " ")


def optional(analysis: Analysis) -> Grid | None:
    """The tests that the experiment asked for beyond the default ones, one row a result; None without any."""
    if analysis.optional.empty:
        return None
    rows = analysis.optional.to_dict("records")
    columns = [
        text("Test", "title", "as asked for in the experiment file"),
        Column("Systems", "one pair, or all", lambda row: _compared(analysis, row), kind="text"),
        *(
            text(name.replace("_", " ").capitalize(), name, f"the {name.replace('_', ' ')} whose answers are compared")
            for name in KEYS
            if analysis.optional[name].nunique() > (0 if name == "seed" else 1)
        ),
        field("n", "n", "rows that the test saw", whole),
        field("Statistic", "statistic", "of this test", number, 3),
        field("p", "p", "before correction", p_value),
        field("p, Holm", "p_holm", "corrected over the results of this test", p_value),
        Column("Interval", "of the test, where it has one", lambda row: interval(row["ci_low"], row["ci_high"])),
        text("Generalises over", "generalises_over", "what a small p speaks for"),
        text("Note", "note"),
    ]
    return Grid("Tests that the experiment file asked for; no verdict rests on them", columns, rows)


def _compared(analysis: Analysis, row: Mapping[str, Any]) -> str:
    if not exists(row["a"]):
        return "all"
    return f" {MINUS} ".join(labelled(analysis, str(row[side])) for side in "ab")


def tasks(analysis: Analysis) -> Grid | None:
    """One row a data set and system, where several data sets are compared; else None."""
    if analysis.tasks.empty:
        return None
    places = decimals(analysis.tasks["mean"])
    columns = [
        Column("System", "what is compared", lambda row: str(row["system"]), kind="name"),
        text("Data set", "dataset"),
        *([text("Metric", "metric")] if analysis.tasks["metric"].notna().any() else []),
        field("n", "n", "runs with a score", whole),
        field("Mean", "mean", "over these runs: the one observation that this data set gives", number, places),
        field("Std", "std", "standard deviation of single runs", number, places),
        field("Rank", "rank", "among the systems on this data set; 1 is best", number, 1),
    ]
    return Grid("Every data set is one observation", columns, analysis.tasks.to_dict("records"))
