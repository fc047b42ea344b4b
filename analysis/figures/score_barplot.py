"""Bars of the mean score with the standard deviation over seeds as error bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.formatting import decimals, number, visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, scores
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: the score, with `mean` and `std` (ddof 1; null for a single run) of the row's system."""
    frame = scores(analysis)
    by_system = frame.groupby("system", sort=False)["score"]
    return frame.assign(mean=by_system.transform("mean"), std=by_system.transform("std"))


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw bars that start at zero, so that their lengths can be compared."""
    for group, position, rank in style.system_rows(ax, data):
        mean, std = group["mean"].iloc[0], group["std"].iloc[0]
        tone = style.colour(rank)
        ax.barh(position, mean, height=0.27, color=f"{tone}55", edgecolor=tone, linewidth=1.0)
        style.points(ax, group["score"], position + 0.07, rank, width=0.05)
        if pd.notna(std):
            ax.errorbar(mean, position - 0.06, xerr=std, color=style.DARK, capsize=3, linewidth=1.2, zorder=5)
        style.value(ax, position, _text(mean, std))
    ax.axvline(0, color=style.DARK, linewidth=0.8)
    ax.set_xlabel(f"mean {visible(data['metric'].iloc[0])}")


def _text(mean: float, std: float) -> str:
    digits = decimals([mean])
    return number(mean, digits) if pd.isna(std) else f"{number(mean, digits)} ± {number(std, digits)}"


FIGURE = Figure(
    name="score_barplot",
    rank=40,
    title="Mean score",
    caption="Bar: mean over {seeds}, drawn from zero. Error bar: one standard deviation over {seeds} on either side; "
    "it shows how much {runs} vary and is not a test. Points: single {runs}.",
    section="scores",
    aside=True,
    needs=("runs.score",),
    data=data,
    draw=draw,
)
