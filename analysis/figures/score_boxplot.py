"""Box plot of the primary metric over seeds, one row per system, every seed visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, scores
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REACH = 1.5  # interquartile ranges that a whisker may span (Tukey 1977)
HALF_HEIGHT, ABOVE, BELOW = 0.085, 0.05, 0.13


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: its score, and `q1`, `median`, `q3` (linear quantiles) and whisker ends of its system."""
    frame = scores(analysis)
    boxes = pd.DataFrame({system: _box(own) for system, own in frame.groupby("system")["score"]}).T
    return frame.join(boxes, on="system")


def _box(values: pd.Series[float]) -> dict[str, float]:
    q1, median, q3 = (float(values.quantile(share)) for share in (0.25, 0.5, 0.75))
    reach = REACH * (q3 - q1)
    inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
    return {"q1": q1, "median": median, "q3": q3, "whisker_low": inside.min(), "whisker_high": inside.max()}


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw the box above the runs."""
    for group, position, rank in style.system_rows(ax, data):
        tone, box, height = style.colour(rank), group.iloc[0], position - ABOVE
        low, high = height - HALF_HEIGHT, height + HALF_HEIGHT
        for inner, outer in (("q1", "whisker_low"), ("q3", "whisker_high")):
            ax.plot([box[inner], box[outer]], [height, height], color=tone, linewidth=1.1)
            ax.vlines(box[outer], low + 0.03, high - 0.03, color=tone, linewidth=1.1)
        width = box["q3"] - box["q1"]
        ax.barh(height, width, left=box["q1"], height=2 * HALF_HEIGHT, color=f"{tone}33", edgecolor=tone, linewidth=1.1)
        ax.vlines(box["median"], low, high, color=tone, linewidth=2.2, zorder=3)
        style.points(ax, group["score"], position + BELOW, rank)
    ax.set_xlabel(visible(data["metric"].iloc[0]))


FIGURE = Figure(
    name="score_boxplot",
    rank=20,
    title="Quartiles of the scores",
    caption="Each point is one {run}. Box: first to third quartile; thick line: median; whiskers: the furthest {run} "
    "within 1.5 interquartile ranges of the box.",
    section="scores",
    aside=True,
    needs=("runs.score",),
    data=data,
    draw=draw,
)
