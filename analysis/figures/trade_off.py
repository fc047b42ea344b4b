"""Score against training speed and against memory: which systems are worth their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable, runs_of
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# column -> (panel, unit on the axis, whether more of it is better)
MEASURES = {
    "samples_per_second": ("Score and training speed", "items per second while training; right is cheaper", True),
    "peak_memory_gib": ("Score and memory", "peak memory [GiB]; left is cheaper", False),
}
SHAPES = ("o", "s", "^", "D")
ROW_INCHES = 0.2


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per system and measure: mean `score`, mean `value`, `on_front` and `dominated`.

    `on_front`: no system is at least as good in score and this measure and better in one of them. `dominated`: some
    system is at least as good in score and in all measures, and better in one of them.
    """
    runs = analysis.results.runs
    known = [name for name in MEASURES if name in runs.columns and runs[name].notna().any()]
    if not known:
        raise NotApplicable("no scored run has a speed or peak memory")
    means = runs_of(analysis, "score", *known).groupby(["place", "system"])[["score", *known]].mean().reset_index()
    if len(means) < 2:
        raise NotApplicable("there is only one system")
    signs = pd.Series(
        {"score": 1 if analysis.direction == "maximize" else -1} | {n: 1 if MEASURES[n][2] else -1 for n in known}
    )
    dominated = _dominated(means[["score", *known]] * signs)
    parts = []
    for name in known:
        panel, axis, _ = MEASURES[name]
        front = ~_dominated(means[["score", name]] * signs[["score", name]])
        part = means[["place", "system", "score"]].assign(value=means[name], measure=name, panel=panel, axis=axis)
        parts.append(part.assign(on_front=front, dominated=dominated, metric=analysis.metric))
    return pd.concat(parts, ignore_index=True)


def _dominated(gains: pd.DataFrame) -> pd.Series[bool]:
    """Return whether another row is at least as large in every column and larger in one."""
    values = gains.to_numpy(dtype=np.float64)
    at_least = (values[None] >= values[:, None]).all(axis=2)
    more = (values[None] > values[:, None]).any(axis=2)
    beaten: list[bool] = np.any(at_least & more, axis=1).tolist()
    return pd.Series(beaten, index=gains.index, dtype=bool)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Filled: no other system is better overall; the line joins the best scores that each cost can buy."""
    here = data[data["here"]].head(FIGURE.most_rows)
    front = here[here["on_front"]].sort_values("value")
    ax.plot(front["value"], front["score"], color=style.SOFT, linewidth=0.9, linestyle=":", zorder=1)
    for row in here.to_dict("records"):
        rank = int(row["place"])
        tone = style.colour(rank)
        face = "white" if row["dominated"] else tone
        shape = SHAPES[rank // len(style.PALETTE) % len(SHAPES)]
        ax.scatter(
            row["value"], row["score"], s=42, marker=shape, facecolors=face, edgecolors=tone, linewidths=1.5, zorder=4
        )
    ax.margins(0.08)
    ax.grid(axis="both")
    _labels(ax, here)
    ax.set_ylabel(visible(here["metric"].iloc[0]))
    ax.set_xlabel(here["axis"].iloc[0])


def _labels(ax: Axes, here: pd.DataFrame) -> None:
    """Write names in a column on the right, in the order of the scores, each with a line to its point."""
    ordered = here.sort_values("score", ascending=False, kind="stable")
    low, high = ax.get_ylim()
    heights = [style.rows_height([name], ROW_INCHES) for name in ordered["system"]]
    room = max(FIGURE.least_inches, sum(heights))
    wanted = [(high - score) / (high - low) * room for score in ordered["score"]]
    for row, centre in zip(ordered.to_dict("records"), style.apart(wanted, heights, room), strict=True):
        style.leader(ax, (row["value"], row["score"]), 1 - centre / room, row["system"])
    ax.set_ylim(low, high)


FIGURE = Figure(
    name="trade_off",
    rank=10,
    title="Score against cost",
    caption="Points: means over runs. Filled: no other system is at least as good in score, speed and memory and "
    "better in one of them; hollow: some system is. Dotted: the best scores that each cost can buy. Speed and memory "
    "were measured during the sweep, while other runs may have shared the machine: a description, not a claim about "
    "speed.",
    section="cost",
    needs=("runs.score",),
    data=data,
    draw=draw,
    row_inches=ROW_INCHES,
    panels="panel",
    columns=1,
    shared_x=False,
    least_inches=1.6,
    frame_inches=0.7,
)
