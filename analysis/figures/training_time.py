"""How long the runs of each system trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plotting import style
from analysis.plotting.figure import Figure, runs_of
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: `seconds_train` (seconds in the training loop, without evaluation)."""
    return runs_of(analysis, "seconds_train")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Bar: mean; points: runs. Minutes or hours if seconds would be hard to read."""
    unit, seconds = _unit(data["seconds_train"].max())
    for group, position, rank in style.system_rows(ax, data):
        values = group["seconds_train"] / seconds
        tone = style.colour(rank)
        ax.barh(position, values.mean(), height=0.27, color=f"{tone}55", edgecolor=tone, linewidth=1.0)
        style.points(ax, values, position, rank, width=0.16)
        style.value(ax, position, f"{values.mean():.3g} {unit}")
    ax.axvline(0, color=style.DARK, linewidth=0.8)
    ax.set_xlabel(f"training time of a run [{unit}]")


def _unit(longest: float) -> tuple[str, float]:
    if longest < 120:
        return "s", 1.0
    return ("min", 60.0) if longest < 7200 else ("h", 3600.0)


FIGURE = Figure(
    name="training_time",
    rank=30,
    title="Training time",
    caption="Bar: mean over runs; points: single runs; without evaluation and loading. Measured during the sweep, "
    "while other runs may have shared the machine: a description of this sweep, not a claim about speed.",
    section="cost",
    aside=True,
    needs=("runs.seconds_train",),
    data=data,
    draw=draw,
)
