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
    """One row a run: `seconds_train` (seconds in the training loop, evaluation excluded)."""
    return runs_of(analysis, "seconds_train")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Bar: mean; points: runs. Minutes or hours where seconds would be unreadable."""
    unit, seconds = _unit(data["seconds_train"].max())
    for group, position, place in style.system_rows(ax, data):
        values = group["seconds_train"] / seconds
        tone = style.colour(place)
        ax.barh(position, values.mean(), height=0.27, color=f"{tone}55", edgecolor=tone, linewidth=1.0)
        style.points(ax, values, position, place, width=0.16)
        style.value(ax, position, f"{values.mean():.3g} {unit}")
    ax.axvline(0, color=style.INK, linewidth=0.8)
    ax.set_xlabel(f"training time of a run [{unit}]")


def _unit(longest: float) -> tuple[str, float]:
    if longest < 120:
        return "s", 1.0
    return ("min", 60.0) if longest < 7200 else ("h", 3600.0)


FIGURE = Figure(
    name="training_time",
    rank=30,
    title="Training time",
    caption="Bar: mean over runs; points: single runs; evaluation and loading excluded. Measured during the sweep, "
    "while other runs may have shared the machine: a description of this sweep, not a claim about speed.",
    section="cost",
    aside=True,
    needs=("runs.seconds_train",),
    data=data,
    draw=draw,
)
