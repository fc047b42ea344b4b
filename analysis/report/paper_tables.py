"""The summary and the comparisons as Markdown and LaTeX, ready for a README or a paper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analysis.formatting import MINUS, exists, visible
from analysis.report import pair_tables, system_tables
from analysis.report.table import Table, TableColumn
from analysis.result import Analysis

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\N{MINUS SIGN}": r"$-$", "\N{EN DASH}": "--", "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", '"': "''",
}  # fmt: skip


def files(analysis: Analysis) -> dict[str, bytes]:
    """File name -> content of `summary_statistics` and `statistical_tests`, each as .md and .tex."""
    if analysis.systems.empty:
        return {}
    grids = {"summary_statistics": system_tables.summary(analysis)}
    if not analysis.comparisons.empty:
        grids["statistical_tests"] = pair_tables.verdicts(analysis)
    found = {f"{name}.md": markdown(grid).encode() for name, grid in grids.items()}
    return found | {f"{name}.tex": latex(grid, name).encode() for name, grid in grids.items()}


def markdown(grid: Table) -> str:
    """A pipe table with its caption above; what Markdown or HTML would act on is escaped."""
    cells = [[_escape_markdown(cell) for cell in row] for row in _rows(grid)]
    rule = [":---" if column.kind != "number" else "---:" for column in grid.columns]
    lines = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
    return "\n".join([f"**{_escape_markdown(grid.caption)}**", "", *lines, "", _escape_markdown(_meanings(grid)), ""])


def latex(grid: Table, label: str) -> str:
    """A table environment with booktabs rules; every name is escaped."""
    cells = [[_escape_latex(cell) for cell in row] for row in _rows(grid)]
    align = "".join("r" if column.kind == "number" else "l" for column in grid.columns)
    body = [f"    {' & '.join(row)} \\\\" for row in cells]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{_escape_latex(f'{grid.caption}. {_meanings(grid)}')}}}",
            f"  \\label{{tab:{label.replace('_', '-')}}}",
            f"  \\begin{{tabular}}{{{align}}}",
            "    \\toprule",
            body[0],
            "    \\midrule",
            *body[1:],
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _rows(grid: Table) -> list[list[str]]:
    """The heading and the rows as they are printed."""
    head = [column.heading for column in grid.columns]
    return [head, *([visible(_marked(column, row)) for column in grid.columns] for row in grid.rows)]


def _marked(column: TableColumn, row: Mapping[str, Any]) -> str:
    """The cell as text; on paper a control is called one where the page has a tag."""
    if column.kind == "name":
        return _named(row, "system", "control")
    if column.kind == "pair":
        return f" {MINUS} ".join(_named(row, side, f"control_{side}") for side in "ab")
    return column.write(row)


def _named(row: Mapping[str, Any], name: str, control: str) -> str:
    return f"{row[name]} ({row[control]} control)" if exists(row.get(control)) else str(row[name])


def _meanings(grid: Table) -> str:
    return "; ".join(f"{column.heading}: {column.meaning}" for column in grid.columns if column.meaning) + "."


def _escape_markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
