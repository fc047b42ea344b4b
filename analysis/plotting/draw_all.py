"""Draw every registered figure that the results allow and say why the others are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis import registry
from analysis.plotting.figure import MOST_ROWS, SECTIONS, Figure, NotApplicable
from analysis.result import Analysis
from analysis.tables import read

if TYPE_CHECKING:
    from analysis.plotting.render import Kind


@dataclass(frozen=True)
class DrawnFigures:
    """Figures of one analysis in the report's order: `files` per figure (suffix -> bytes), `skipped` with reasons.

    `notes` say of a figure what its picture leaves out.
    """

    files: Mapping[str, Mapping[str, bytes]]
    skipped: Mapping[str, str]
    notes: Mapping[str, str]

    @property
    def svgs(self) -> dict[str, str]:
        """The pictures that `report.page.render` puts into its page: figure name -> SVG."""
        return {name: files["svg"].decode("utf-8") for name, files in self.files.items()}


def draw(analysis: Analysis, kinds: Sequence[Kind] | None = None) -> DrawnFigures:
    """All registered figures of this analysis, drawn once (None: in every format); nothing is written.

    With more than 20 systems only those that the report does not fold away: the others repeat them, and take as long.
    """
    from analysis.plotting import render

    files: dict[str, Mapping[str, bytes]] = {}
    skipped: dict[str, str] = {}
    notes: dict[str, str] = {}
    many = len(analysis.systems) > MOST_ROWS
    for figure in (one for one in figures() if not (many and one.aside)):
        try:
            data = figure.frame(analysis)
        except NotApplicable as reason:
            skipped[figure.name] = str(reason)
            continue
        pictures = render.render(figure, data, render.KINDS if kinds is None else kinds)
        files[figure.name] = {"csv": read.to_csv(data), **{str(kind): ink for kind, ink in pictures.items()}}
        if note := figure.noted(data):
            notes[figure.name] = note
    return DrawnFigures(files, skipped, notes)


def figures() -> list[Figure]:
    """Every registered figure, in the order of the report."""
    found: list[Figure] = [registry.load("figure", name) for name in registry.names("figure")]
    return sorted(found, key=lambda figure: (SECTIONS.index(figure.section), figure.rank))
