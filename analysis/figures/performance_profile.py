"""Performance profile: the share of runs that reach a score, for every score.

Dolan and More, "Benchmarking optimization software with performance profiles", 2002, in the form of Agarwal et al.,
"Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import MOST_ROWS, Figure, NotApplicable, scores, unit_of
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_THRESHOLDS = 200


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per system and threshold: `share` of its runs that are at least as good.

    Thresholds are the scores of all runs, or 200 steps from the lowest to the highest if there are more than 200.
    `low` and `high` are the pointwise Wilson interval of that share over runs, at level 1 - alpha.
    """
    frame = scores(analysis)
    if frame["score"].nunique() < 2:
        raise NotApplicable("all runs have the same score")
    thresholds = np.unique(frame["score"].to_numpy())
    if len(thresholds) > MOST_THRESHOLDS:
        thresholds = np.linspace(thresholds[0], thresholds[-1], MOST_THRESHOLDS)
    sign = 1 if analysis.direction == "maximize" else -1
    parts = [
        _profile(own["score"].to_numpy(), thresholds, sign, analysis.alpha).assign(
            place=int(own["place"].iloc[0]), system=str(system)
        )
        for system, own in frame.groupby("system", sort=False)
    ]
    columns = ["place", "system", "threshold", "share", "low", "high"]
    profiles = pd.concat(parts, ignore_index=True)[columns]
    return profiles.assign(metric=analysis.metric, direction=analysis.direction, unit=analysis.unit)


def _profile(scores: np.ndarray, thresholds: np.ndarray, sign: int, alpha: float) -> pd.DataFrame:
    from statsmodels.stats.proportion import proportion_confint

    reached = (sign * scores[None] >= sign * thresholds[:, None]).sum(axis=1)
    low, high = proportion_confint(reached, len(scores), alpha=alpha, method="wilson")
    return pd.DataFrame({"threshold": thresholds, "share": reached / len(scores), "low": low, "high": high})


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Steps with their band; grey: the other systems."""
    where: Literal["pre", "post"] = "pre" if data["direction"].iloc[0] == "maximize" else "post"
    for _, other in data[~data["here"] & (data["place"] < MOST_ROWS)].groupby("place"):
        ax.step(other["threshold"], other["share"], where=where, color=style.FAINT, linewidth=1.0, zorder=1)
    here = data[data["here"]]
    tone = style.colour(int(here["place"].iloc[0]))
    ax.fill_between(here["threshold"], here["low"], here["high"], step=where, color=tone, alpha=0.15, linewidth=0)
    ax.step(here["threshold"], here["share"], where=where, color=tone, linewidth=1.8, zorder=3)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    ax.set_ylabel(f"{unit_of(data)}s that reach it")
    ax.locator_params(axis="x", nbins=4)
    ax.set_xlabel("\n".join(style.label_lines(visible(data["metric"].iloc[0]), 24, 2)))


FIGURE = Figure(
    name="performance_profile",
    rank=50,
    title="Performance profile",
    caption="For every score, the share of a system's {runs} that are at least as good. A curve that lies above "
    "another everywhere is better for every score; if curves cross, neither is. Band: pointwise Wilson "
    "interval of the share over {runs}; grey: the other systems.",
    section="scores",
    aside=True,
    needs=("runs.score",),
    data=data,
    draw=draw,
    rows=None,
    panels="system",
)
