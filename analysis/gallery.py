"""Draw every registered figure that the results allow and say why the others are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis import registry, spreadsheet
from analysis.figure import Figure, NotApplicable

if TYPE_CHECKING:
    from analysis.analyze import Analysis


@dataclass(frozen=True)
class Gallery:
    """Figures of one analysis in the report's order: `files` per figure (suffix -> bytes), `skipped` with reasons."""

    files: Mapping[str, Mapping[str, bytes]]
    skipped: Mapping[str, str]

    @property
    def svgs(self) -> dict[str, str]:
        """The pictures that `report.render` puts into its page: figure name -> SVG."""
        return {name: files["svg"].decode("utf-8") for name, files in self.files.items()}


def draw(analysis: Analysis) -> Gallery:
    """All registered figures of this analysis, drawn once; nothing is written."""
    from analysis import picture

    files: dict[str, Mapping[str, bytes]] = {}
    skipped: dict[str, str] = {}
    for figure in figures():
        try:
            data = figure.frame(analysis)
        except NotApplicable as reason:
            skipped[figure.name] = str(reason)
            continue
        files[figure.name] = {"csv": spreadsheet.to_csv(data), **picture.render(figure, data)}
    return Gallery(files, skipped)


def figures() -> list[Figure]:
    """Every registered figure, in the order of the report."""
    found: list[Figure] = [registry.load("figure", name) for name in registry.names("figure")]
    return sorted(found, key=lambda figure: (figure.rank, figure.name))
