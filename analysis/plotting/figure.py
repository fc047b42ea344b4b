"""A figure is data, then ink: `data` computes the frame that is saved beside the picture, `draw` only draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from analysis.plotting.frames import NotApplicable
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS, MOST_PANELS = 20, 9
Section = Literal["scores", "comparisons", "errors", "training", "cost", "search"]
SECTIONS: tuple[Section, ...] = get_args(Section)
Unit = Literal["run", "data set"]  # what one score is of: of several data sets, each is one observation
_WORDS: dict[Unit, dict[str, str]] = {
    "run": {"run": "run", "runs": "runs", "seed": "seed", "seeds": "seeds"},
    "data set": {"run": "data set", "runs": "data sets", "seed": "data set", "seeds": "data sets"},
}


@dataclass(frozen=True)
class Figure:
    """One figure of the report: it stands in its `section` by `rank`, the smallest first; `aside` ones are folded away.

    `needs` names columns as `table.column`; where one is missing the figure is left out.
    `data(analysis)` gives a tidy frame (one row a mark) and raises `NotApplicable` where there is nothing to show.
    `draw(data, ax)` draws it. With `panels` the picture has one Axes for each value of that column, drawn from the
    whole frame plus a boolean column `here`, true for the rows of the panel: it can show the others faintly.
    `caption` writes {run}, {runs}, {seed} and {seeds} where the scores of several data sets are of data sets instead.
    `remark(data)` is what the caption has to add about this frame, or nothing.
    `rows` names the column whose values are the rows of the picture: the height follows from the first `most_rows`, and
    `frame_inches` is what axis, label and legend take.
    """

    name: str
    rank: int
    title: str
    caption: str
    section: Section
    needs: tuple[str, ...]
    data: Callable[[Analysis], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Axes], None]
    aside: bool = False
    rows: str | None = "system"
    most_rows: int = MOST_ROWS
    row_inches: float = 0.42
    panels: str | None = None
    most_panels: int = MOST_PANELS
    panel_inches: float = 1.9
    least_inches: float = 0.0
    columns: int = 3
    shared_x: bool = True
    frame_inches: float = 0.62
    remark: Callable[[pd.DataFrame], str] | None = None

    def frame(self, analysis: Analysis) -> pd.DataFrame:
        """The figure's data; raises `NotApplicable`, naming the missing columns or the figure's own reason."""
        missing = [need for need in self.needs if not _holds(analysis, *need.split(".", 1))]
        if missing:
            raise NotApplicable(f"it needs {', '.join(missing)}, which these results do not have")
        return self.data(analysis)

    def worded(self, unit: Unit) -> str:
        """The caption, in the words for what one score is of."""
        return self.caption.format(**_WORDS[unit])

    def noted(self, data: pd.DataFrame) -> str:
        """What the caption adds about this frame: the figure's own remark, and what the picture leaves out."""
        return " ".join(filter(None, [self.remark(data) if self.remark else "", self.left_out(data)]))

    def left_out(self, data: pd.DataFrame) -> str:
        """A sentence for the caption where the frame has more rows or panels than a picture can hold, else nothing."""
        parts = ((self.rows, self.most_rows, "rows"), (self.panels, self.most_panels, "panels"))
        counts = [(most, data[column].nunique(), noun) for column, most, noun in parts if column]
        cut = [f"the first {most} of {found} {noun}" for most, found, noun in counts if found > most]
        return f"Drawn are {' and '.join(cut)}; the data file has all." if cut else ""


def _holds(analysis: Analysis, table: str, column: str) -> bool:
    frame: pd.DataFrame = getattr(analysis.results, table)
    return column in frame.columns and bool(frame[column].notna().any())


def unit_of(data: pd.DataFrame) -> Unit:
    """What one score of a figure's frame is of; frames that do not say so are of runs."""
    return "data set" if "unit" in data.columns and (data["unit"] == "data set").any() else "run"
