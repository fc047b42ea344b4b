"""Figures of a profile: speed and memory of every system, and where the time of a step goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis
from analysis.tables.profile import MEASURED, PHASES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# column -> (panel, unit on the axis)
BARS = {
    "samples_per_second": ("Speed", "items per second"),
    "peak_memory_gib": ("Memory", "peak memory [GiB]"),
}
TONES = dict(zip(PHASES, (style.PALETTE[0], style.PALETTE[3], style.PALETTE[1], style.FAINT), strict=True))
_CAPTION = "Each system trained alone in a fresh process, in turn with the others, after a warm-up. "


def bars(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per measured system, round and measure: place, system, round, `value`, panel, axis."""
    kept = _measured(rows)
    parts = [
        kept[["place", "system", "round"]].assign(value=kept[name], measure=name, panel=panel, axis=axis)
        for name, (panel, axis) in BARS.items()
    ]
    return pd.concat(parts, ignore_index=True)


def phases(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per system and phase: place, system, `phase`, `share` of a step (median over rounds)."""
    kept = _measured(rows)
    columns = [f"{phase}_share" for phase in PHASES]
    medians = kept.groupby(["place", "system"])[columns].median().dropna()
    if medians.empty:
        raise NotApplicable("no system has timed phases")
    shares = medians.div(medians.sum(axis=1), axis=0).rename(columns=dict(zip(columns, PHASES, strict=True)))
    return (
        shares.reset_index()
        .melt(["place", "system"], list(PHASES), "phase", "share")
        .sort_values("place", kind="stable", ignore_index=True)
    )


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    kept = rows[rows["result"] == MEASURED]
    if kept.empty:
        raise NotApplicable("no system was measured")
    return kept.assign(place=pd.factorize(kept["system"])[0])


def draw_bars(data: pd.DataFrame, ax: Axes) -> None:
    """Bar: median over rounds; points: rounds."""
    here = data[data["here"]]
    for group, position, rank in style.system_rows(ax, here):
        tone, median = style.colour(rank), group["value"].median()
        ax.barh(position, median, height=0.27, color=f"{tone}55", edgecolor=tone, linewidth=1.0)
        style.points(ax, group["value"], position, rank, width=0.16)
        style.value(ax, position, f"{median:.3g}")
    ax.axvline(0, color=style.DARK, linewidth=0.8)
    ax.set_xlabel(here["axis"].iloc[0])


def draw_phases(data: pd.DataFrame, ax: Axes) -> None:
    """Draw one stacked bar per system, from 0 to 1."""
    for group, position, _ in style.system_rows(ax, data):
        start = 0.0
        for row in group.to_dict("records"):
            ax.barh(
                position, row["share"], left=start, height=0.27, color=TONES[row["phase"]], edgecolor="white", zorder=2
            )
            start += row["share"]
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of a training step")
    style.key(ax, TONES)


def _of_no_analysis(analysis: Analysis) -> pd.DataFrame:
    raise NotApplicable("speed is measured by `orchestrate profile`, one system at a time")


SPEED = Figure(
    name="profile_speed",
    rank=10,
    title="Speed and memory",
    caption=f"{_CAPTION}Bar: median over rounds; points: rounds.",
    section="cost",
    needs=(),
    data=_of_no_analysis,
    draw=draw_bars,
    panels="panel",
    columns=2,
    shared_x=False,
)
TIME = Figure(
    name="profile_phases",
    rank=20,
    title="Where the time of a step goes",
    caption=f"{_CAPTION}Phases are timed in separate steps that wait for each phase to end. Forward includes the loss, "
    "optimizer the clipping, host the batches and everything in between.",
    section="cost",
    needs=(),
    data=_of_no_analysis,
    draw=draw_phases,
)
