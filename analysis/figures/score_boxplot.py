"""Box plot of the primary metric over seeds, one row a system, every seed visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis import ink
from analysis.figure import Figure, scores
from analysis.typography import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Box: quartiles; line: median; whiskers: the furthest seed within 1.5 interquartile ranges; points: seeds."""
    for group, position, place in ink.system_rows(ax, data):
        tone = ink.colour(place)
        ax.boxplot(
            group["score"],
            positions=[position - 0.05],
            widths=0.17,
            orientation="horizontal",
            manage_ticks=False,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": f"{tone}33", "edgecolor": tone, "linewidth": 1.1},
            medianprops={"color": tone, "linewidth": 2.2},
            whiskerprops={"color": tone, "linewidth": 1.1},
            capprops={"color": tone, "linewidth": 1.1},
        )
        ink.points(ax, group["score"], position + 0.13, place)
    ax.set_xlabel(visible(data["metric"].iloc[0]))


FIGURE = Figure(
    name="score_boxplot",
    rank=20,
    title="Scores over seeds",
    caption="Each point is one run. Box: first to third quartile; thick line: median; whiskers: the furthest run "
    "within 1.5 interquartile ranges of the box.",
    needs=("runs.score",),
    data=scores,
    draw=draw,
)
