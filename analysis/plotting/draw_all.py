"""Draw every registered figure that the results allow and say why the others are missing."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from analysis import registry
from analysis.plotting.figure import MOST_ROWS, SECTIONS, Figure, Kind, NotApplicable
from analysis.result import Analysis
from analysis.tables import read


@dataclass(frozen=True)
class DrawnFigures:
    """Figures of one analysis in the report's order: `files` per figure (suffix -> bytes), `skipped` with reasons.

    `notes` say what a figure's image leaves out.
    """

    files: Mapping[str, Mapping[str, bytes]]
    skipped: Mapping[str, str]
    notes: Mapping[str, str]

    @property
    def svgs(self) -> dict[str, str]:
        """Return the images that `report.page.render` puts into its page: figure name -> SVG."""
        return {name: files["svg"].decode("utf-8") for name, files in self.files.items()}


def draw(analysis: Analysis, kinds: Sequence[Kind] | None = None) -> DrawnFigures:
    """Draw all registered figures of this analysis once (None: in every format); write nothing.

    With more than 20 systems, only those that the report does not fold away: the others repeat them and take as long.
    """
    from analysis.plotting import render

    files: dict[str, Mapping[str, bytes]] = {}
    skipped: dict[str, str] = {}
    notes: dict[str, str] = {}
    many = len(analysis.systems) > MOST_ROWS
    with _collector_at_rest():
        for figure in (one for one in figures() if not (many and one.aside)):
            try:
                data = figure.frame(analysis)
            except NotApplicable as reason:
                skipped[figure.name] = str(reason)
                continue
            images = render.render(figure, data, render.KINDS if kinds is None else kinds)
            files[figure.name] = {"csv": read.to_csv(data), **{str(kind): image for kind, image in images.items()}}
            if note := figure.noted(data):
                notes[figure.name] = note
    return DrawnFigures(files, skipped, notes)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Draw without the garbage collector, which looks through every mark of a figure again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def figures() -> list[Figure]:
    """Return every registered figure, in the order of the report."""
    registered: list[Figure] = [registry.load("figure", name) for name in registry.names("figure")]
    return sorted(registered, key=lambda figure: (SECTIONS.index(figure.section), figure.rank))
