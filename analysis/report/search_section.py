"""The report's section about a search: both stages in words, what became of the trials, and the settings they found."""

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
    """What the template needs of it; None without a search."""
    found = analysis.search
    if found is None:
        return None
    return {
        "stages": {"Search": f"{search.trials(found)} {search.budget(found)}", "Comparison": _comparison(analysis)},
        "grids": [trials_grid(found), settings_grid(found)],
        "cautions": found.warnings if len(analysis.systems) else (),  # else they are among the warnings
    }


def _comparison(analysis: Analysis) -> str:
    if analysis.systems.empty:
        return f"Not asked for. {NEXT} runs the best settings of each model again with fresh seeds and compares these."
    counted, pairs_by = methods.runs(analysis)[1], "seed" if analysis.unit == "run" else "data set"
    return (
        f"The {plural(counted, 'run')} with {pairs_by} {methods.seeds(analysis)}, none of them a trial. Only these are "
        f"compared, so that the luck that picked a trial does not carry over into the verdict. {_origin(analysis)}"
    )


def _origin(analysis: Analysis) -> str:
    """Whether the compared runs have the settings of the best trials."""
    runs, found = analysis.results.runs, analysis.search
    if "winner_of" not in runs.columns or found is None:
        return f"Nothing recorded says that they have the settings that the search found; {NEXT} runs these."
    best = set(found.systems["best_run_id"].dropna())
    others = sorted(runs.loc[~runs["winner_of"].isin(best), "system"].astype(str).unique())
    if not others:
        return "They have the settings of the best trial of their system, and fresh seeds."
    return f"Those of {listing(others)} do not have the settings that are the best by now; {NEXT} runs these."


def trials_grid(found: Findings) -> Table:
    """One row a system: what became of its trials, what they cost, and what the best one gained."""
    systems = found.systems
    places = decimals(systems["best_score"])
    often = [
        ("Stopped", "pruned", "trials stopped early, their score censored"),
        ("Collapsed", "collapsed", "trials that give every item the same answer"),
        ("Diverged", "diverged", "trials whose loss or gradient became non-finite"),
        ("Failed", "failed", "trials that broke off with an error"),
        ("Pending", PENDING, "trials that have not ended"),
    ]
    columns = [
        system(),
        field("Trials", "trials", "that were proposed for the system", whole),
        field("To the end", "completed", "trials that ran to their end", whole),
        *(field(heading, name, meaning, whole) for heading, name, meaning in often if systems[name].any()),
        field("Epochs", "epochs_run", "epochs of all its trials", whole),
        TableColumn(
            "Share", "of the epochs that running every trial to its end would have taken", _share, "epochs_share"
        ),
        field("Default", "default_score", "score of the experiment's own settings, one seed", number, places),
        field("Best", "best_score", "score of the best trial that ran to its end, one seed", number, places),
        field("Gain", "gain", "of the best trial over the default settings; partly luck", signed, places),
        field("Found at", "best_trial", "which trial of the system was the best one", whole),
    ]
    return Table(
        f"Trials of each system ({found.metric}, {better(found.direction)})", columns, systems.to_dict("records")
    )


def _share(row: Mapping[str, Any]) -> str:
    return f"{row['epochs_share']:.0%}" if exists(row["epochs_share"]) else NONE


def settings_grid(found: Findings) -> Table:
    """One row a system: the settings of its best trial."""
    names = short_names([parameter.name for parameter in found.settings.parameters])
    shown = list(names)[:MOST_SETTINGS]
    rows = [
        {"system": row["system"], "run_id": row["best_run_id"], **_written(row["best_parameters"], shown)}
        for row in found.systems.to_dict("records")
    ]
    columns = [system(), *(text(names[name], name, name) for name in shown), text("Run", "run_id", "of the best trial")]
    more = f"; {len(names) - len(shown)} more are in search.csv" if len(names) > len(shown) else ""
    return Table(f"Settings of the best trial of each system{more}", columns, rows)


def _written(parameters: Any, names: list[str]) -> dict[str, str]:
    """Numbers in three digits, everything else as JSON writes it; a dash where the setting does not apply."""
    values = json.loads(parameters) if exists(parameters) else {}
    return {name: _short(values[name]) if name in values else NONE for name in names}


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value)
