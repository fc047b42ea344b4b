"""Validation score against training time: which system is ahead after how many minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import MOST_ROWS, Figure, NotApplicable, epochs_of
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run and epoch: validation `score`, `seconds` since the start (training and evaluation)."""
    column = f"metric_{analysis.metric}"
    if column not in analysis.results.epochs.columns:
        raise NotApplicable(f"the epochs have no {column}")
    frame = epochs_of(analysis, "seconds", column).rename(columns={column: "score"})
    frame = frame.sort_values(["place", "run_id", "epoch"], kind="stable", ignore_index=True)
    elapsed = frame.groupby("run_id", sort=False)["seconds"].cumsum()
    frame = frame.assign(seconds=elapsed, metric=analysis.metric).dropna(subset=["seconds", "score"])
    if frame.empty:
        raise NotApplicable("no epoch has both a time and a score")
    return frame


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Thick: mean over runs at each epoch's mean time; thin: single runs; grey: the means of the other systems."""
    longest = float(data["seconds"].max())
    unit, seconds = ("s", 1.0) if longest < 300 else ("min", 60.0) if longest < 18000 else ("h", 3600.0)
    means = data.groupby(["place", "epoch"])[["seconds", "score"]].mean()
    own = int(data.loc[data["here"], "place"].iloc[0])
    for rank, line in means.groupby("place"):
        if rank != own and int(str(rank)) < MOST_ROWS:
            ax.plot(line["seconds"] / seconds, line["score"], color=style.FAINT, linewidth=1.0, zorder=1)
    tone = style.colour(own)
    for _, run in data[data["here"]].groupby("run_id", sort=True):
        ax.plot(run["seconds"] / seconds, run["score"], color=tone, linewidth=0.5, alpha=0.5, zorder=2)
    line = pd.DataFrame(means.xs(own))
    ax.plot(line["seconds"] / seconds, line["score"], color=tone, linewidth=1.8, marker="o", markersize=3, zorder=3)
    ax.set_xlim(0, 1.03 * longest / seconds)
    ax.set_xlabel(f"time [{unit}]")
    ax.set_ylabel("\n".join(style.label_lines(f"validation {visible(data['metric'].iloc[0])}", 22, 2)))


FIGURE = Figure(
    name="score_over_time",
    rank=20,
    title="Score over time",
    caption="Thick lines: mean over runs, one mark per epoch; thin lines: single runs; grey: the other systems. Time "
    "is training and evaluation since the start of the run, without loading. It was measured during the sweep, while "
    "other runs may have shared the machine.",
    section="cost",
    aside=True,
    needs=("epochs.epoch", "epochs.seconds"),
    data=data,
    draw=draw,
    rows=None,
    panels="system",
)
