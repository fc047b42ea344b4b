"""How often each class occurs and how often each system predicts it: which systems neglect the rare classes."""

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
    """Return one row per run and class: `support` in the gold labels, `predicted` times, `row` (its label)."""
    return class_rows(analysis).drop(columns="f1")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Bar: how often the class occurs; point: how often the system predicts it, mean and range over runs."""
    names = list(data["row"].drop_duplicates())[: FIGURE.most_rows]
    positions = style.rows(ax, names, FIGURE.row_inches)
    here = data[data["here"] & data["row"].isin(names)]
    tone = style.colour(int(here["place"].iloc[0]))
    by_row = here.groupby("row").agg(support=("support", "mean"), mean=("predicted", "mean"),
                                     low=("predicted", "min"), high=("predicted", "max"))  # fmt: skip
    heights = by_row.index.map(positions)
    ax.barh(heights, by_row["support"], height=0.13, color=style.FAINT, edgecolor=style.SOFT, linewidth=0.6, zorder=1)
    ax.hlines(heights, by_row["low"], by_row["high"], color=tone, linewidth=1.4, zorder=3)
    ax.scatter(by_row["mean"], heights, s=18, color=tone, zorder=4)
    ax.locator_params(axis="x", nbins=4, integer=True)
    ax.set_xlim(0, 1.05 * max(1, data["support"].max(), data["predicted"].max()))
    ax.set_xlabel("number of labels")


FIGURE = Figure(
    name="class_balance",
    rank=30,
    title="How often each class occurs and is predicted",
    caption="Grey bars: how often a class occurs in the gold labels of the evaluated part (in brackets too); points "
    "and lines: how often the system predicts it, mean and range over runs. A point left of the end of its bar means "
    "that the system neglects the class, a point right of it that it overuses the class. The label O is left out; "
    "with tags such as B-X and I-X, whole entities count.",
    section="errors",
    aside=True,
    needs=("runs.run_id", "predictions.gold", "predictions.predicted"),
    data=data,
    draw=draw,
    rows="row",
    most_rows=MOST_CLASSES,
    row_inches=0.235,
    panels="system",
)
