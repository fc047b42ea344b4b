"""Render the report: one self-contained page that needs no other explanation; same analysis, same bytes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.formatting import better, exists, plural, visible
from analysis.plotting import draw_all, style
from analysis.plotting.figure import SECTIONS, Unit
from analysis.report import differing_settings, pair_tables, search_section, system_tables
from analysis.report.reproduction import reproduction
from analysis.report.table import TableColumn, seed
from analysis.result import Analysis
from analysis.text import methods

MOST_SENTENCES, MOST_DECIDED, MOST_ACROSS, MOST_SEED_CHARACTERS = 15, 7, 6, 60
MARKS = {"better": "▲", "worse": "▼", "equivalent": "≈", "inconclusive": "○", "undecidable": "◌"}
_HERE = Path(__file__).parent


def render(
    analysis: Analysis,
    figures: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
    formats: Sequence[str] = ("svg",),
) -> str:
    """Return the page as HTML. `figures` are SVGs by figure name (`DrawnFigures.svgs`), `notes` extend their captions.

    `formats` are those of the files beside the page.

    The page loads nothing from outside (a content security policy forbids it) and is complete without its small script.
    Names are escaped and control characters are made visible; nothing depends on when or where it was rendered.
    """
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    template = _environment().get_template("page.html")
    return template.render(
        **_opening(analysis),
        **_tables(analysis),
        **reproduction(analysis),
        title=_title(analysis),
        unit=analysis.unit,
        figures=_figures_by_section(figures, notes or {}, analysis.unit),
        methods=methods.paragraph(analysis),
        references=methods.cited(analysis),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        marks=MARKS,
        suffixes=", ".join(f".{kind}" for kind in dict.fromkeys(["svg", *formats, "csv"])),
        cell=_cell,
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters["plural"] = plural
    return environment


def _title(analysis: Analysis) -> str:
    experiment = analysis.results.experiment or {}
    return str(experiment.get("question") or experiment.get("experiment") or "Comparison of systems")


def _opening(analysis: Analysis) -> dict[str, Any]:
    """Return what the first screen shows: headline, claim, a sentence per pair, warnings, the key facts."""
    pairs = pair_tables.pairs_shown(analysis).to_dict("records")
    decided = [pair for pair in pairs if pair["verdict"] in ("better", "worse", "equivalent")]
    decided.sort(key=lambda pair: analysis.best not in (pair["a"], pair["b"]))
    first = pairs if len(pairs) <= MOST_SENTENCES else decided[:MOST_DECIDED]
    warnings = list(dict.fromkeys([*analysis.warnings, *analysis.results.warnings]))
    unreal = [warning for warning in warnings if "not a real result" in warning]
    return {
        "headline": analysis.headline,
        "claim": analysis.claim,
        "first_pairs": first,
        "other_pairs": [pair for pair in pairs if pair not in first],
        "unreal": unreal,
        "warnings": [warning for warning in warnings if warning not in unreal],
        "facts": _facts(analysis),
        "experiment": (analysis.results.experiment or {}).get("experiment"),
    }


def _facts(analysis: Analysis) -> dict[str, str]:
    scored, counted = methods.runs(analysis)
    facts = {
        "Metric": f"{analysis.metric} ({better(analysis.direction)})",
        **_searched(analysis),
    }
    if analysis.systems.empty:
        return facts
    facts |= {
        "Systems": str(len(analysis.systems)),
        f"{seed(analysis).capitalize()}s": _seeds(analysis),
        "Runs": f"{scored} with a score, of {counted}",
        "Level": f"alpha {analysis.alpha:g} for each kind of error, Holm over {methods.family(analysis)}",
    }
    for heading, column in (("Data", "dataset"), ("Task", "task")):
        if exists(methods.only(analysis, column)):
            facts[heading] = str(methods.only(analysis, column)).replace("_", " ")
    return facts


def _searched(analysis: Analysis) -> dict[str, str]:
    if analysis.search is None:
        return {}
    return {"Search": f"{len(analysis.search.trials)} trials of {plural(len(analysis.search.systems), 'system')}"}


def _seeds(analysis: Analysis) -> str:
    """Return how many seeds there are, and which if that fits."""
    number, which = analysis.results.runs["seed"].nunique(), methods.seeds(analysis)
    return f"{number} ({which})" if len(which) <= MOST_SEED_CHARACTERS else str(number)


def _tables(analysis: Analysis) -> dict[str, Any]:
    if analysis.systems.empty:
        return {"summary": None, "verdicts": None, "controls": {}, **_search(analysis)}
    compared = not analysis.comparisons.empty
    return {
        "summary": system_tables.summary(analysis),
        "spread": system_tables.spread(analysis),
        "scores": system_tables.scores(analysis),
        "verdicts": pair_tables.verdicts(analysis) if compared else None,
        "tests": pair_tables.tests(analysis) if compared else None,
        "effects": pair_tables.effects(analysis) if compared else None,
        "sensitivity": pair_tables.sensitivity(analysis),
        "omnibus": pair_tables.omnibus(analysis),
        "optional": pair_tables.optional(analysis),
        "tasks": pair_tables.tasks(analysis),
        "disagreements": system_tables.disagreements(analysis),
        "failures": system_tables.failures(analysis),
        "settings": _settings(analysis),
        "selected": bool(analysis.systems["selected_on_evaluation"].any()),
        "controls": {
            row["system"]: row["control"] for row in analysis.systems.to_dict("records") if exists(row["control"])
        },
        **_search(analysis),
    }


def _search(analysis: Analysis) -> dict[str, Any]:
    """Return the section about a search, and the colours of all systems, including those that were only searched."""
    ranks = {str(name): rank for rank, name in enumerate(analysis.systems["system"])}
    if analysis.search is not None:
        trials = analysis.search.trials
        ranks = {**dict(zip(trials["system"].map(str), trials["place"], strict=True)), **ranks}
    colours = {name: style.colour(int(rank)) for name, rank in ranks.items()}
    return {"search": search_section.section(analysis), "colours": colours}


def _settings(analysis: Analysis) -> list[list[str]]:
    """Return heading and rows of the settings that differ; many systems go down the page, not across it."""
    table = differing_settings.differing(analysis)
    if table.empty:
        return []
    if len(table.columns) - 1 > MOST_ACROSS:
        turned = table.set_index("setting").T
        return [
            ["System", *turned.columns],
            *([name, *row] for name, row in zip(turned.index, turned.to_numpy().tolist(), strict=True)),
        ]
    return [["Setting", *table.columns[1:]], *table.to_numpy().tolist()]


@dataclass(frozen=True)
class Cell:
    """One printed cell; `exact` is the unrounded value."""

    text: str
    exact: str | None
    kind: str


def _cell(column: TableColumn, row: Any) -> Cell:
    return Cell(column.write(row), column.exact(row), column.kind)


def _figures_by_section(
    svgs: Mapping[str, str], notes: Mapping[str, str], unit: Unit
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the figures of every section: those that are `shown`, and those that are folded `aside`."""
    sections: dict[str, dict[str, list[dict[str, Any]]]] = {name: {"shown": [], "aside": []} for name in SECTIONS}
    for figure in draw_all.figures():
        if figure.name in svgs:
            # an XML declaration is not allowed inside a page
            svg = Markup(svgs[figure.name][svgs[figure.name].index("<svg") :])
            caption = " ".join(filter(None, [figure.worded(unit), notes.get(figure.name)]))
            entry = {"figure": figure, "svg": svg, "caption": caption}
            sections[figure.section]["aside" if figure.aside else "shown"].append(entry)
    return sections
