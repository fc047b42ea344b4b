"""Write the summary and the comparisons as Markdown and LaTeX, ready for a README or a paper."""

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
    """Return file name -> content of `summary_statistics` and `statistical_tests`, each as .md and .tex."""
    if analysis.systems.empty:
        return {}
    tables = {"summary_statistics": system_tables.summary(analysis)}
    if not analysis.comparisons.empty:
        tables["statistical_tests"] = pair_tables.verdicts(analysis)
    in_markdown = {f"{name}.md": markdown(table).encode() for name, table in tables.items()}
    return in_markdown | {f"{name}.tex": latex(table, name).encode() for name, table in tables.items()}


def markdown(table: Table) -> str:
    """Write a pipe table below its caption; characters with a meaning in Markdown or HTML are escaped."""
    cells = [[_escape_markdown(cell) for cell in row] for row in _rows(table)]
    rule = [":---" if column.kind != "number" else "---:" for column in table.columns]
    lines = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
    return "\n".join([f"**{_escape_markdown(table.caption)}**", "", *lines, "", _escape_markdown(_meanings(table)), ""])


def latex(table: Table, label: str) -> str:
    """Write a table environment with booktabs rules; every name is escaped."""
    cells = [[_escape_latex(cell) for cell in row] for row in _rows(table)]
    align = "".join("r" if column.kind == "number" else "l" for column in table.columns)
    body = [f"    {' & '.join(row)} \\\\" for row in cells]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{_escape_latex(f'{table.caption}. {_meanings(table)}')}}}",
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


def _rows(table: Table) -> list[list[str]]:
    """Return the heading and the rows as they are printed."""
    head = [column.heading for column in table.columns]
    return [head, *([visible(_marked(column, row)) for column in table.columns] for row in table.rows)]


def _marked(column: TableColumn, row: Mapping[str, Any]) -> str:
    """Return the cell as text; a control, which has a tag on the page, is marked in words."""
    if column.kind == "name":
        return _named(row, "system", "control")
    if column.kind == "pair":
        return f" {MINUS} ".join(_named(row, side, f"control_{side}") for side in "ab")
    return column.write(row)


def _named(row: Mapping[str, Any], name: str, control: str) -> str:
    return f"{row[name]} ({row[control]} control)" if exists(row.get(control)) else str(row[name])


def _meanings(table: Table) -> str:
    return "; ".join(f"{column.heading}: {column.meaning}" for column in table.columns if column.meaning) + "."


def _escape_markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
