"""How much of the ranking of a system's trials each searched parameter explains by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.figures import _search
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis
from analysis.search.importance import FEWEST_TRIALS, importance, ranks_of_trials
from analysis.search.settings import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SEED = 0  # of the bootstrap: the same trials give the same figure


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per system and parameter, the strongest first: `share`, `low`, `high`, `trials`, or a `note`.

    `share` of the variance of the trials' ranks, corrected for chance; `low` and `high` are its bootstrap interval.
    `note` says why there is no share.
    """
    findings = _search.findings_of(analysis)
    generator = np.random.default_rng(_SEED)
    names = short_names([parameter.name for parameter in findings.settings.parameters])
    rows = []
    for (rank, system), own in findings.trials.groupby(["place", "system"], sort=True):
        ranks = ranks_of_trials(own, findings.direction)
        for parameter in findings.settings.parameters:
            one = importance(parameter, own[parameter.column], ranks, analysis.alpha, generator)
            note = one.note if own[parameter.column].notna().any() else "not searched here"
            rows.append((rank, system, names[parameter.name], one.share, one.low, one.high, one.trials, note))
    frame = pd.DataFrame(rows, columns=["place", "system", "parameter", "share", "low", "high", "trials", "note"])
    if frame["share"].isna().all():
        raise NotApplicable(f"no system has {FEWEST_TRIALS} trials with a score and more than one value of a parameter")
    tops = frame.groupby("parameter")["share"].max().fillna(-1.0)
    order = sorted(names.values(), key=lambda name: -tops[name])
    frame["parameter"] = pd.Categorical(frame["parameter"], order)
    frame = frame.sort_values(["parameter", "place"], kind="stable", ignore_index=True)
    return frame.assign(parameter=frame["parameter"].astype(str), level=f"{100 * (1 - analysis.alpha):g}%")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Bar: share; line: its interval; the note if there is no share."""
    here = data[data["here"]]
    positions = style.rows(ax, list(data["parameter"].drop_duplicates())[: FIGURE.most_rows], FIGURE.row_inches)
    tone = style.colour(int(here["place"].iloc[0]))
    for row in here.to_dict("records"):
        if row["parameter"] not in positions:
            continue
        position = positions[row["parameter"]]
        if pd.isna(row["share"]):
            ax.text(0.02, position, row["note"], va="center", fontsize=7.5, color=style.SOFT)
            continue
        ax.barh(position, row["share"], height=0.16, color=f"{tone}55", edgecolor=tone, linewidth=1.0, zorder=2)
        ax.plot([row["low"], row["high"]], [position] * 2, color=style.DARK, linewidth=1.0, zorder=3)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.axvline(0, color=style.DARK, linewidth=0.8)
    ax.set_xlabel("share explained")


def remark(data: pd.DataFrame) -> str:
    """State the level of the intervals, and how many of them reach down to 0."""
    known = data.dropna(subset="share")
    weak = int((known["low"] <= 0).sum())
    few = (
        f"{weak} of {len(known)} reach 0: for these, the trials do not show that the parameter matters." if weak else ""
    )
    return f"Lines: {data['level'].iloc[0]} intervals over trials. {few}".strip()


FIGURE = Figure(
    name="search_importance",
    rank=20,
    title="Which settings mattered",
    caption="Bars: how much of the ranking of the trials one parameter explains by itself (adjusted R squared of "
    "ranks; numbers by a parabola, choices by group means); stopped trials count with the best score they reached. "
    "Effects that parameters have only in combination are not included, and an adaptive searcher that tried mostly "
    "good values hides what bad ones would have cost.",
    section="search",
    needs=("trials.trial",),
    data=data,
    draw=draw,
    rows="parameter",
    row_inches=0.32,
    panels="system",
    remark=remark,
)
