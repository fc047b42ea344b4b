"""A figure is data, then drawing: `data` computes the frame that is saved beside it, `draw` only draws it.

Also the frames that many figures begin with: the scored runs, their epochs and their predictions, system by system.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from analysis.result import Analysis
from analysis.tables.normalize import KEYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SCORED = ("completed", "collapsed")


class NotApplicable(ValueError):
    """The results hold nothing that this figure could show; the message says why."""


def runs_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """Return the compared runs that have all these columns, one row each: place, system, the run's keys, the columns.

    `place` is the rank of the system in `analysis.systems` (0 is the best mean): it decides the row and the colour.
    Runs without a score and runs that a search stopped early are left out: their numbers are not comparable.
    Raises NotApplicable if nothing is left.
    """
    runs = analysis.results.runs
    ranks = {system: rank for rank, system in enumerate(analysis.systems["system"])}
    kept = runs[runs["status"].isin(SCORED) & runs["score"].notna() & runs["system"].isin(list(ranks))]
    known = [name for name in ("run_id", *KEYS) if name in kept.columns and kept[name].notna().any()]
    extra = [name for name in columns if name not in known]
    frame = kept.assign(place=kept["system"].map(ranks))[["place", "system", *known, *extra]].dropna(subset=extra)
    if frame.empty:
        raise NotApplicable(f"no scored run has {', '.join(columns)}")
    order = ["place", *(name for name in KEYS if name in known)]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def scores(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: its score, the name of the metric, and the `unit` of a score (a run or a data set)."""
    return runs_of(analysis, "score").assign(metric=analysis.metric, unit=analysis.unit)


def epochs_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """Return the epochs of the compared runs: place, system, run_id, the run's keys, epoch, the columns."""
    return _joined(analysis, analysis.results.epochs, "epoch", *columns)


def predictions_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """Return the predictions that the scores were computed from: place, system, run_id, the run's keys, the columns."""
    predictions, runs = analysis.results.predictions, analysis.results.runs
    if {"split"} <= set(predictions.columns) and {"score_split", "run_id"} <= set(runs.columns):
        scored = predictions["run_id"].map(runs.drop_duplicates("run_id").set_index("run_id")["score_split"])
        predictions = predictions[scored.isna() | (predictions["split"] == scored)]
    return _joined(analysis, predictions, *columns)


def _joined(analysis: Analysis, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    runs = runs_of(analysis, "run_id")
    frame = runs.merge(table[["run_id", *columns]], on="run_id", how="inner", sort=False, validate="one_to_many")
    if frame.empty:
        raise NotApplicable(f"no scored run has {', '.join(columns)}")
    return frame


MOST_ROWS, MOST_PANELS = 20, 9
Section = Literal["scores", "comparisons", "errors", "training", "cost", "search"]
SECTIONS: tuple[Section, ...] = get_args(Section)
Kind = Literal["svg", "pdf", "png"]
Unit = Literal["run", "data set"]  # what one score stands for: with several data sets, each is one observation
_WORDS: dict[Unit, dict[str, str]] = {
    "run": {"run": "run", "runs": "runs", "seed": "seed", "seeds": "seeds"},
    "data set": {"run": "data set", "runs": "data sets", "seed": "data set", "seeds": "data sets"},
}


@dataclass(frozen=True)
class Figure:
    """One figure of the report. A `section` orders its figures by `rank`, the smallest first; `aside` folds one away.

    `needs` names columns as `table.column`; if one is missing, the figure is left out.
    `data(analysis)` returns a tidy frame (one row per mark) and raises `NotApplicable` if there is nothing to show.
    `draw(data, ax)` draws it. With `panels`, there is one Axes for each value of that column, drawn from the whole
    frame plus a boolean column `here`, true for the rows of the panel, so that a panel can show the others faintly.
    `caption` writes {run}, {runs}, {seed} and {seeds}, which become data sets if each data set is one observation.
    `remark(data)` returns what the caption has to add about this frame, or an empty string.
    `rows` names the column whose values are the rows of the figure: the height follows from the first `most_rows`, and
    `frame_inches` is the room for axis, label and legend.
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
        """Return the figure's data; raises `NotApplicable` with the missing columns or the figure's own reason."""
        missing = [need for need in self.needs if not _holds(analysis, *need.split(".", 1))]
        if missing:
            raise NotApplicable(f"it needs {', '.join(missing)}, which these results do not have")
        return self.data(analysis)

    def worded(self, unit: Unit) -> str:
        """Return the caption, worded for runs or for data sets."""
        return self.caption.format(**_WORDS[unit])

    def noted(self, data: pd.DataFrame) -> str:
        """Return what the caption adds about this frame: the figure's own remark, and what is not drawn."""
        return " ".join(filter(None, [self.remark(data) if self.remark else "", self.left_out(data)]))

    def left_out(self, data: pd.DataFrame) -> str:
        """Return a sentence for the caption if the frame has more rows or panels than fit, else an empty string."""
        parts = ((self.rows, self.most_rows, "rows"), (self.panels, self.most_panels, "panels"))
        counts = [(most, data[column].nunique(), noun) for column, most, noun in parts if column]
        cut = [f"the first {most} of {number} {noun}" for most, number, noun in counts if number > most]
        return f"Only {' and '.join(cut)} are drawn; the data file has all." if cut else ""


def _holds(analysis: Analysis, table: str, column: str) -> bool:
    frame: pd.DataFrame = getattr(analysis.results, table)
    return column in frame.columns and bool(frame[column].notna().any())


def unit_of(data: pd.DataFrame) -> Unit:
    """Return what one score in a figure's frame stands for; a run if the frame does not say."""
    return "data set" if "unit" in data.columns and (data["unit"] == "data set").any() else "run"
