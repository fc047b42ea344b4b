"""F1 of every class, one panel per system: where the difference between two systems comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.figures._predictions import MOST_CLASSES, class_rows
from analysis.plotting import style
from analysis.plotting.figure import Figure
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run and class in the gold labels (without O): `f1`, `support`, and `row`, its label.

    Classes are sorted by support, the largest first. A missing prediction counts as a miss. With tags such as B-X and
    I-X, a class is an entity type, and entities are counted, not words.
    """
    return class_rows(analysis).drop(columns="predicted")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Point and bar: mean and standard deviation over runs; small points: runs; grey ticks: the other systems."""
    names = list(data["row"].drop_duplicates())[: FIGURE.most_rows]
    positions = style.rows(ax, names, FIGURE.row_inches)
    shown = data[data["row"].isin(names)]
    others = shown[~shown["here"]].groupby(["place", "row"])["f1"].mean().reset_index()
    ax.scatter(others["f1"], others["row"].map(positions), marker="|", s=42, color="#AEB6BE", linewidths=1.2, zorder=2)
    here = shown[shown["here"]]
    tone = style.colour(int(here["place"].iloc[0]))
    ax.scatter(here["f1"], here["row"].map(positions), s=7, color=tone, alpha=0.35, linewidths=0, zorder=3)
    by_row = here.groupby("row")["f1"].agg(["mean", "std"])
    heights = by_row.index.map(positions)
    ax.errorbar(by_row["mean"], heights, xerr=by_row["std"].fillna(0), fmt="o", color=tone, markersize=4.5, zorder=4)
    ax.set_xlabel("F1")


FIGURE = Figure(
    name="per_class_f1",
    rank=10,
    title="F1 of every class",
    caption="Large points: means over runs, with one standard deviation on either side; small points: single runs; "
    "grey ticks: the other systems. In brackets: how often the class occurs in the evaluated part (mean over runs). "
    "The label O is left out; with tags such as B-X and I-X, whole entities count.",
    section="errors",
    needs=("runs.run_id", "predictions.gold", "predictions.predicted"),
    data=data,
    draw=draw,
    rows="row",
    most_rows=MOST_CLASSES,
    row_inches=0.235,
    panels="system",
)
