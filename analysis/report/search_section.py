"""The report's section about a search: both stages in words, the outcome of the trials, and their best settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from analysis.formatting import NONE, better, decimals, exists, listing, number, plural, signed, whole
from analysis.report.table import Table, TableColumn, field, system, text
from analysis.result import Analysis
from analysis.search.findings import Findings
from analysis.search.settings import short_names
from analysis.search_only import NEXT
from analysis.tables.trials import PENDING
from analysis.text import methods, search

MOST_SETTINGS = 8


def section(analysis: Analysis) -> dict[str, Any] | None:
    """Return what the template needs for the section; None without a search."""
    findings = analysis.search
    if findings is None:
        return None
    return {
        "stages": {
            "Search": f"{search.trials(findings)} {search.budget(findings)}",
            "Comparison": _comparison(analysis),
        },
        "tables": [trials_table(findings), settings_table(findings)],
        "warnings": findings.warnings if len(analysis.systems) else (),  # else they are among the warnings
    }


def _comparison(analysis: Analysis) -> str:
    if analysis.systems.empty:
        return f"Not requested. {NEXT} runs the best settings of each model again with fresh seeds and compares them."
    counted, pairs_by = methods.runs(analysis)[1], "seed" if analysis.unit == "run" else "data set"
    return (
        f"The {plural(counted, 'run')} with {pairs_by} {methods.seeds(analysis)}, none of them a trial. Only these are "
        f"compared, so that the luck that picked a trial does not carry over into the verdict. {_origin(analysis)}"
    )


def _origin(analysis: Analysis) -> str:
    """Say whether the compared runs have the settings of the best trials."""
    runs, findings = analysis.results.runs, analysis.search
    if "winner_of" not in runs.columns or findings is None:
        return f"There is no record that they have the settings that the search found; {NEXT} runs those."
    best = set(findings.systems["best_run_id"].dropna())
    others = sorted(runs.loc[~runs["winner_of"].isin(best), "system"].astype(str).unique())
    if not others:
        return "They have the settings of the best trial of their system, and fresh seeds."
    return f"The runs of {listing(others)} do not have the settings that are now the best; {NEXT} runs those."


def trials_table(findings: Findings) -> Table:
    """Return one row per system: the outcome of its trials, their cost, and the gain of the best one."""
    systems = findings.systems
    digits = decimals(systems["best_score"])
    outcomes = [
        ("Stopped", "pruned", "trials stopped early, so that their final score is unknown"),
        ("Collapsed", "collapsed", "trials with the same output for every item"),
        ("Diverged", "diverged", "trials whose loss or gradient became non-finite"),
        ("Failed", "failed", "trials that ended with an error"),
        ("Pending", PENDING, "trials that have not ended yet"),
    ]
    columns = [
        system(),
        field("Trials", "trials", "trials proposed for the system", whole),
        field("To the end", "completed", "trials that ran to the end", whole),
        *(field(heading, name, meaning, whole) for heading, name, meaning in outcomes if systems[name].any()),
        field("Epochs", "epochs_run", "epochs of all its trials", whole),
        TableColumn(
            "Share", "of the epochs that all trials would have taken without early stopping", _share, "epochs_share"
        ),
        field("Default", "default_score", "score of the experiment's own settings, one seed", number, digits),
        field("Best", "best_score", "score of the best trial that ran to the end, one seed", number, digits),
        field("Gain", "gain", "gain of the best trial over the default settings; partly luck", signed, digits),
        field("Found at", "best_trial", "number of the best trial of the system", whole),
    ]
    return Table(
        f"Trials of each system ({findings.metric}, {better(findings.direction)})", columns, systems.to_dict("records")
    )


def _share(row: Mapping[str, Any]) -> str:
    return f"{row['epochs_share']:.0%}" if exists(row["epochs_share"]) else NONE


def settings_table(findings: Findings) -> Table:
    """Return one row per system: the settings of its best trial."""
    names = short_names([parameter.name for parameter in findings.settings.parameters])
    shown = list(names)[:MOST_SETTINGS]
    rows = [
        {"system": row["system"], "run_id": row["best_run_id"], **_written(row["best_parameters"], shown)}
        for row in findings.systems.to_dict("records")
    ]
    columns = [system(), *(text(names[name], name, name) for name in shown), text("Run", "run_id", "of the best trial")]
    more = f"; {len(names) - len(shown)} more are in search.csv" if len(names) > len(shown) else ""
    return Table(f"Settings of the best trial of each system{more}", columns, rows)


def _written(parameters: Any, names: list[str]) -> dict[str, str]:
    """Write numbers with three digits, everything else as JSON; a dash if the setting does not apply."""
    values = json.loads(parameters) if exists(parameters) else {}
    return {name: _short(values[name]) if name in values else NONE for name in names}


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value)
