"""Violin plot of the primary metric over seeds, one row per system, every seed visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_SCORES = 3


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw a kernel density over the range of the runs; with fewer than three different scores only the points."""
    for group, position, rank in style.system_rows(ax, data):
        if group["score"].nunique() >= FEWEST_SCORES:
            _violin(ax, group["score"], position, style.colour(rank))
        style.points(ax, group["score"], position, rank, width=0.08)
    ax.set_xlabel(visible(data["metric"].iloc[0]))


def _violin(ax: Axes, values: pd.Series[float], position: float, tone: str) -> None:
    parts = ax.violinplot(
        values.to_numpy(),
        positions=[position],
        widths=0.34,
        orientation="horizontal",
        showextrema=False,
        showmedians=True,
    )
    bodies: Any = parts["bodies"]
    for body in bodies:
        body.set(facecolor=f"{tone}33", edgecolor=tone, linewidth=1.1, alpha=None)
    parts["cmedians"].set(color=tone, linewidth=2.2)


FIGURE = Figure(
    name="score_violin",
    rank=30,
    title="Distribution of scores",
    caption="Outline: kernel density of the scores (Gaussian, Scott's bandwidth), cut at the lowest and highest; "
    "line: median; points: single {runs}. With few {seeds} the outline is a guess: trust the points. "
    "A system with fewer than three different scores has points only.",
    section="scores",
    aside=True,
    needs=("runs.score",),
    data=scores,
    draw=draw,
)
