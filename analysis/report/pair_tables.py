"""The report's tables of comparisons: pairs, all systems at once, several data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis import registry
from analysis.formatting import METHODS, MINUS, decimals, exists, interval, number, p_value, signed, whole
from analysis.report.table import Table, TableColumn, field, labelled, level, seed, text
from analysis.result import Analysis
from analysis.tables.normalize import KEYS

MOST_PAIRS = 200


def pairs_shown(analysis: Analysis) -> pd.DataFrame:
    """Return the pairs that the page shows: all or, if there are more than 200, those of the best system."""
    pairs = analysis.comparisons
    if len(pairs) <= MOST_PAIRS:
        return pairs
    of_best: pd.DataFrame = pairs[(pairs["a"] == analysis.best) | (pairs["b"] == analysis.best)]
    return of_best


def _of_pairs(caption: str, analysis: Analysis, columns: Sequence[TableColumn]) -> Table:
    """Make a table of pairs, without the columns that no pair has a value for."""
    pairs = pairs_shown(analysis)
    known = set(pairs.columns[pairs.notna().any()])
    if len(pairs) < len(analysis.comparisons):
        caption = f"{caption} (those with the best mean; statistical_tests.csv has all {len(analysis.comparisons)})"
    kept = [column for column in columns if column.field is None or column.field in known]
    return Table(caption, kept, pairs.to_dict("records"))


def verdicts(analysis: Analysis) -> Table:
    """Return the verdicts, one row per pair."""
    digits = decimals(analysis.comparisons["mean_diff"])
    uneven = analysis.comparisons["n_pairs"].nunique() > 1
    columns = [
        _pair(),
        TableColumn(
            "Verdict", "what the first system is, compared with the second", lambda row: row["verdict"], kind="verdict"
        ),
        *([_pairs(analysis)] if uneven else []),
        field("Difference", "mean_diff", "mean of the first system minus mean of the second", signed, digits),
        TableColumn(
            f"{level(analysis)} interval{', simultaneous' if len(analysis.comparisons) > 1 else ''}",
            "of the difference, from the primary test; those of all pairs hold together (Bonferroni), so they are a "
            "little wider than the stepwise p needs",
            lambda row: interval(row["simultaneous_low"], row["simultaneous_high"], digits),
        ),
        field(
            "p, Holm", "primary_p_holm", "primary p-value, corrected over all comparisons; the verdict uses it", p_value
        ),
        _superiority(analysis),
    ]
    return _of_pairs("Every pair of systems", analysis, columns)


def _pairs(analysis: Analysis) -> TableColumn:
    where = "seeds (with split and fold)" if analysis.unit == "run" else "data sets"
    return field("Pairs", "n_pairs", f"{where} that both systems completed", whole)


def _superiority(analysis: Analysis) -> TableColumn:
    meaning = f"share of the {seed(analysis)}s on which the first system is better; ties count half"
    return field("P(A>B)", "prob_superiority", meaning, number, 2)


def tests(analysis: Analysis) -> Table:
    """Return the tests behind the verdict and the other tests, before correction, one row per pair."""
    methods = analysis.comparisons["primary_method"]
    names = [METHODS.get(name, str(name).replace("_", " ")) for name in methods.dropna().unique()]
    over_items = "multi_bootstrap" in set(methods)
    seeds_only = "over seeds alone, conditional on this split: " if over_items else ""
    digits = decimals(analysis.comparisons["mean_diff"])
    columns = [
        _pair(),
        field(f"p, {' / '.join(names)}", "primary_p", "the primary test, fixed by the design", p_value),
        TableColumn(
            f"{level(analysis)} interval, single",
            "of the difference, from the primary test, for one pair alone",
            lambda row: interval(row["primary_ci_low"], row["primary_ci_high"], digits),
        ),
        field("t", "t", f"{seeds_only}statistic of the paired t-test", signed, 2),
        field("df", "df", "its degrees of freedom", whole),
        field("p, t", "p", f"{seeds_only}paired t-test", p_value),
        field("p, sign-flip", "p_sign_flip", f"{seeds_only}exact sign-flip test of the differences", p_value),
        field("p, Wilcoxon", "wilcoxon_p", f"{seeds_only}Wilcoxon signed-rank test of the differences", p_value),
        field("p, TOST", "tost_p", "two one-sided tests of equivalence within the declared region", p_value),
        field("p, TOST, Holm", "tost_p_holm", "corrected over the equivalence tests, a family of its own", p_value),
        field("Smallest p", "smallest_p", f"{seeds_only}the smallest exact p that this many pairs can reach", p_value),
        *([_dropped(analysis)] if analysis.comparisons["dropped_pairs"].any() else []),
    ]
    return _of_pairs("Every test, two-sided, before correction", analysis, columns)


def _dropped(analysis: Analysis) -> TableColumn:
    meaning = f"{seed(analysis)}s left out because one of the two systems has no score"
    return field("Dropped", "dropped_pairs", meaning, whole)


def effects(analysis: Analysis) -> Table:
    """Return effect sizes and what the runs could have detected, one row per pair."""
    digits, unit = decimals(analysis.comparisons["mean_diff"]), seed(analysis)
    columns = [
        _pair(),
        field("Hedges g_z", "hedges_gz", "mean difference in standard deviations of the differences, bias-corrected",
               signed, 2),
        field("d_z", "dz", "the same without correction", signed, 2),
        TableColumn(
            "P(A>B) interval",
            f"interval of the share of {unit}s on which the first system is better",
            lambda row: interval(row["prob_superiority_low"], row["prob_superiority_high"], 2),
        ),
        field("A12", "a12", "chance that a random run of the first beats a random run of the second", number, 2),
        field("r", "correlation", f"correlation of the two systems' scores over {unit}s; pairing helps if it is high",
               signed, 2),
        field("Detectable", "detectable_difference", f"difference that this many {unit}s detect with 80% power", number,
               digits),
        field("Seeds to decide", "seeds_to_decide", "seeds that would show the smallest difference that matters with "
               "80% power, by the best guess", whole),
        TableColumn("Range", "of the seeds to decide, as the variances are known from few seeds and items",
                    lambda row: f"{whole(row['seeds_to_decide_low'])} to {whole(row['seeds_to_decide_high'])}",
                    "seeds_to_decide_low"),
    ]  # fmt: skip
    if analysis.comparisons["seeds"].notna().any():
        columns += [
            text("Seeds", "seeds", "how equal seeds of A and B are treated; declared, never chosen by looking"),
            field("p, other way", "other_seeds_p_holm", "corrected p with the seeds treated the other way", p_value),
        ]
    return _of_pairs("Effect sizes and sensitivity", analysis, columns)


def _pair() -> TableColumn:
    return TableColumn("A and B", "difference = A minus B", lambda row: f"{row['a']} {MINUS} {row['b']}", kind="pair")


def sensitivity(analysis: Analysis) -> Table | None:
    """Return the verdicts with runs without a score at the majority baseline; None if every run has a score."""
    if analysis.sensitivity.empty:
        return None
    digits = decimals(analysis.sensitivity["mean_diff"])
    columns = [
        _pair(),
        text("Verdict", "main_verdict", "as reported, over the runs with a score"),
        *(
            [text("Over seeds alone", "same_test_verdict", "over the runs with a score, by tests over seeds alone")]
            if (analysis.sensitivity["same_test_verdict"] != analysis.sensitivity["main_verdict"]).any()
            else []
        ),
        text("At baseline", "verdict", "with the other runs at the baseline; nothing else is changed"),
        field("Difference", "mean_diff", "of the means, with the other runs at the baseline", signed, digits),
        field("p, Holm", "primary_p_holm", "corrected over all comparisons", p_value),
    ]
    baseline = number(analysis.sensitivity["baseline"].iloc[0])
    caption = f"If every run without a score had scored {baseline}, as always predicting the majority class does"
    return Table(caption, columns, analysis.sensitivity.to_dict("records"))


MORE = {
    "kendall_w": "Kendall's W",
    "critical_difference": "critical difference of mean ranks",
    "epsilon": "Greenhouse-Geisser epsilon",
    "partial_eta_squared": "partial eta squared",
}


def omnibus(analysis: Analysis) -> Table | None:
    """Return the tests of all systems together, one row each; None if there are none."""
    rows = [_omnibus_row(name, result) for name, result in analysis.omnibus.items() if isinstance(result, Mapping)]
    if not rows:
        return None
    columns = [
        TableColumn("Test", "", lambda row: row["test"], kind="text"),
        field("Statistic", "statistic", "of this test", number, 3),
        field("df", "df", "degrees of freedom", number, 1),
        field("p", "p", "two-sided; not part of any verdict", p_value),
        text("More", "more", "what else the test reports"),
    ]
    controls = ", controls included" if analysis.systems["control"].notna().any() else ""
    return Table(f"All systems at once{controls}: a description that no verdict depends on", columns, rows)


def _omnibus_row(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    main = {key: result.get(key) for key in ("statistic", "df", "p")}
    details = [f"{name} {number(result[key], 3)}" for key, name in MORE.items() if exists(result.get(key))]
    note = [str(result["note"])] if result.get("note") else []
    return {"test": _title(name), **main, "more": "; ".join([*details, *note])}


def _title(name: str) -> str:
    if name in registry.names("test"):
        return str(registry.load("test", name).title)
    return name.replace("_", " ")


def optional(analysis: Analysis) -> Table | None:
    """Return the additional tests that the experiment file requests, one row per result; None if there are none."""
    if analysis.optional.empty:
        return None
    rows = analysis.optional.to_dict("records")
    columns = [
        text("Test", "title", "as requested in the experiment file"),
        TableColumn("Systems", "one pair, or all", lambda row: _compared(analysis, row), kind="text"),
        *(
            text(name.replace("_", " ").capitalize(), name, f"the {name.replace('_', ' ')} of the compared predictions")
            for name in KEYS
            if analysis.optional[name].nunique() > (0 if name == "seed" else 1)
        ),
        field("n", "n", "rows that the test used", whole),
        field("Statistic", "statistic", "of this test", number, 3),
        field("p", "p", "before correction", p_value),
        field("p, Holm", "p_holm", "corrected over the results of this test", p_value),
        TableColumn("Interval", "of the test, where it has one", lambda row: interval(row["ci_low"], row["ci_high"])),
        text("Generalises over", "generalises_over", "what a small p is evidence about"),
        text("Note", "note"),
    ]
    return Table("Tests requested in the experiment file; no verdict depends on them", columns, rows)


def _compared(analysis: Analysis, row: Mapping[str, Any]) -> str:
    if not exists(row["a"]):
        return "all"
    return f" {MINUS} ".join(labelled(analysis, str(row[side])) for side in "ab")


def tasks(analysis: Analysis) -> Table | None:
    """Return one row per data set and system if several data sets are compared; else None."""
    if analysis.tasks.empty:
        return None
    digits = decimals(analysis.tasks["mean"])
    columns = [
        TableColumn("System", "what is compared", lambda row: str(row["system"]), kind="name"),
        text("Data set", "dataset"),
        *([text("Metric", "metric")] if analysis.tasks["metric"].notna().any() else []),
        field("n", "n", "runs with a score", whole),
        field("Mean", "mean", "over these runs: the single observation of this data set", number, digits),
        field("Std", "std", "standard deviation of single runs", number, digits),
        field("Rank", "rank", "among the systems on this data set; 1 is best", number, 1),
    ]
    return Table("Every data set is one observation", columns, analysis.tasks.to_dict("records"))
