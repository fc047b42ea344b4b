"""Raincloud of the scores: every seed, how the seeds spread, and the mean with its interval, one row per system.

Allen et al., "Raincloud plots: a multi-platform tool for robust data visualization", Wellcome Open Research, 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.formatting import decimals, number, visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, scores
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_FOR_CLOUD = 5
ROW_INCHES = 0.52


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: its score, and its system's `mean` with the t interval `ci_low`, `ci_high` (`level`)."""
    means = analysis.systems.set_index("system")[["mean", "ci_low", "ci_high"]]
    return scores(analysis).join(means, on="system").assign(level=f"{100 * (1 - analysis.alpha):g}%")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw the cloud above the line, mean and interval on it, and the runs as rain below it."""
    for group, position, rank in style.system_rows(ax, data, ROW_INCHES):
        tone, first = style.colour(rank), group.iloc[0]
        if group["score"].nunique() >= FEWEST_FOR_CLOUD:
            _cloud(ax, group["score"], position - 0.05, tone)
        ax.plot([first["ci_low"], first["ci_high"]], [position, position], color=style.DARK, linewidth=1.6, zorder=5)
        ax.scatter(first["mean"], position, s=30, color=style.DARK, marker="D", linewidths=0, zorder=6)
        style.points(ax, group["score"], position + 0.13, rank, width=0.1)
        style.value(ax, position, number(first["mean"], decimals([first["mean"]])))
    ax.set_xlabel(
        f"{visible(data['metric'].iloc[0])}; right: the mean, whose {data['level'].iloc[0]} interval is drawn"
    )


def _cloud(ax: Axes, values: pd.Series[float], position: float, tone: str) -> None:
    parts = ax.violinplot(
        values.to_numpy(), positions=[position], widths=0.38, orientation="horizontal", showextrema=False, side="low"
    )
    bodies: Any = parts["bodies"]
    for body in bodies:
        body.set(facecolor=f"{tone}55", edgecolor=tone, linewidth=0.9, alpha=None)


FIGURE = Figure(
    name="raincloud",
    rank=10,
    title="Every score",
    caption="Points: single {runs}. Diamond and line: mean and its t interval over {runs}; overlapping intervals do "
    "not mean that a paired comparison is undecided. Outline: kernel density of the scores, cut at the lowest and "
    f"highest, from {FEWEST_FOR_CLOUD} different scores on.",
    section="scores",
    needs=("runs.score",),
    data=data,
    draw=draw,
    row_inches=ROW_INCHES,
)
