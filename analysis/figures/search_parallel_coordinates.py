"""Every trial as a line through its settings to its score, one panel per system."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.figures import _search
from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis
from analysis.search.settings import Parameter, choice_of, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_AXES, MOST_CHOICES, CHOICE_COLUMNS, NAME_COLUMNS = 6, 6, 9, 16


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per trial and axis: `axis` (a parameter, or the metric), its `order`, its `value`, and its scale.

    The value of a choice is its position in `choices`, a JSON list. Parameters that the system does not search are left
    out. `panel` is the system; with more than six parameters it has several. `better` is the rank of the trial's score,
    0 (worst) to 1 (best), missing if it has none; `beyond`: whether some scores lie beyond the range of the axis.
    """
    findings = _search.findings_of(analysis)
    frame = _search.trials_of(analysis, "reached", "is_best", *(one.column for one in findings.settings.parameters))
    parts = [_of_system(own, findings.settings.parameters) for _, own in frame.groupby("place", sort=True)]
    lines = [part for part in parts if part is not None]
    if not lines:
        raise NotApplicable("no trial has a score yet")
    return pd.concat(lines, ignore_index=True)


def _of_system(own: pd.DataFrame, parameters: tuple[Parameter, ...]) -> pd.DataFrame | None:
    own = own[own["reached"].notna() | (own["status"] == "diverged")]
    if own["reached"].notna().sum() == 0:
        return None
    sign = 1 if _search.is_larger_better(own) else -1
    better = (sign * own["reached"]).rank(pct=True)
    keys = own[["place", "system", "trial", "status", "is_best", "metric", "larger_is_better"]]
    searched = [one for one in parameters if own[one.column].notna().any()]
    names = short_names([one.name for one in parameters])
    groups = [searched[start : start + MOST_AXES] for start in range(0, max(1, len(searched)), MOST_AXES)]
    parts = []
    for number, group in enumerate(groups):
        panel = str(own["system"].iloc[0]) + (f" ({number + 1} of {len(groups)})" if len(groups) > 1 else "")
        axes = [(names[one.name], _cells(one, own[one.column])) for one in group]
        for order, (axis, cells) in enumerate([*axes, (str(own["metric"].iloc[0]), _scores(own))]):
            parts.append(keys.assign(panel=panel, order=order, axis=axis, better=better, **cells))
    return pd.concat(parts, ignore_index=True)


def _cells(one: Parameter, values: pd.Series[Any]) -> dict[str, Any]:
    if one.scale == "choice":
        numbers = values.map(lambda value: one.choices.index(str(choice_of(value))), na_action="ignore")
        last = max(1, len(one.choices) - 1)
        return {"value": numbers, "scale": "choice", "low": 0.0, "high": last, "choices": json.dumps(one.choices)}
    return {"value": values.astype("float64"), "scale": one.scale, "low": one.low, "high": one.high}


def _scores(own: pd.DataFrame) -> dict[str, Any]:
    low, high = _search.range_of_whole_trials(own)
    beyond = ~own["reached"].dropna().between(low, high)
    return {"value": own["reached"], "scale": "linear", "low": low, "high": high, "beyond": bool(beyond.any())}


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw one line per trial, the better the darker; dashed if it was stopped, dotted if it diverged."""
    here = data[data["here"]]
    tone = style.colour(int(here["place"].iloc[0]))
    last = int(here["order"].max())
    lines = here.assign(height=pd.concat([_heights(own) for _, own in here.groupby("order")]))
    for row in lines.drop_duplicates("order").to_dict("records"):
        _axis(ax, row, int(row["order"]), last)
    for _, line in lines.sort_values("better", kind="stable").groupby("trial", sort=False):
        _line(ax, line, tone)
    ax.set_xlim(-0.35, last + 0.25)
    ax.set_ylim(-0.22, 1.1)
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    _legend(ax, data)


def _heights(own: pd.DataFrame) -> pd.Series[float]:
    """Return where trials cross an axis, 0 (bottom) to 1 (top): choices in equal steps, diverged trials at the end."""
    first = own.iloc[0]
    worst = first["low"] if first["larger_is_better"] else first["high"]
    values = own["value"].where(own["value"].notna() | (own["status"] != "diverged"), worst)
    low, high = first["low"], first["high"]
    if first["scale"] == "log":
        values, low, high = np.log(values), math.log(low), math.log(high)
    heights: pd.Series[float] = ((values - low) / ((high - low) or 1.0)).clip(0.0, 1.0)
    return heights


def _line(ax: Axes, line: pd.DataFrame, tone: str) -> None:
    from matplotlib.colors import to_rgb

    first = line.iloc[0]
    strength = 0.12 + 0.88 * float(np.nan_to_num(first["better"])) ** 1.5
    mixed = tuple(1 - strength * (1 - part) for part in to_rgb(tone))
    look: dict[str, Any] = {"color": mixed, "linewidth": 1.0, "zorder": 2 + strength}
    if first["status"] == "pruned":
        look |= {"linestyle": "--", "linewidth": 0.8}
    if first["status"] == "diverged":
        look |= {"linestyle": ":", "color": _search.BAD, "zorder": 1.5}
    if first["is_best"]:
        look |= {"linewidth": 2.4, "color": tone, "zorder": 5}
    ax.plot(line["order"], line["height"], **look)


def _axis(ax: Axes, row: Mapping[Any, Any], order: int, last: int) -> None:
    """Draw a vertical line with its name below and its values on the left, or on the right for the score."""
    ax.plot([order, order], [0, 1], color="#8A949E", linewidth=0.9, zorder=4)
    side = 1 if order == last else -1
    for height, text in _ticks(row):
        ax.annotate(
            text,
            (order, height),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha="left" if side == 1 else "right",
            va="center",
            fontsize=7.5,
            color=style.SOFT,
            zorder=6,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )
    name = "\n".join(style.label_lines(row["axis"], NAME_COLUMNS, 2))
    ax.annotate(
        name,
        (order, 0),
        xytext=(0, -9),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8,
        color=style.DARK,
    )


def _ticks(row: Mapping[Any, Any]) -> list[tuple[float, str]]:
    """Return heights and labels: all choices if they are few, else the first and last; ends and middle of a number."""
    if row["scale"] == "choice":
        choices = json.loads(row["choices"])
        labels = [style.label_lines(visible(choice), CHOICE_COLUMNS, 1)[0] for choice in choices]
        kept = range(len(choices)) if len(choices) <= MOST_CHOICES else (0, len(choices) - 1)
        return [(number / max(1, len(choices) - 1), labels[number]) for number in kept]
    low, high = row["low"], row["high"]
    if low == high:
        return [(0.0, f"{low:.3g}")]
    middle = math.sqrt(low * high) if row["scale"] == "log" else (low + high) / 2
    if row["beyond"] is True:
        return (
            [(0.0, f"≤ {low:.3g}"), (1.0, f"{high:.3g}")]
            if row["larger_is_better"]
            else [(0.0, f"{low:.3g}"), (1.0, f"≥ {high:.3g}")]
        )
    return [(0.0, f"{low:.3g}"), (0.5, f"{middle:.3g}"), (1.0, f"{high:.3g}")]


def _legend(ax: Axes, data: pd.DataFrame) -> None:
    statuses = set(data["status"])
    shown: dict[str, dict[str, Any]] = {
        "best trial": {"color": style.SOFT, "linestyle": "-", "linewidth": 2.4},
        "ran to the end (darker is better)": {"color": style.SOFT, "linestyle": "-", "linewidth": 1.0},
    }
    if "pruned" in statuses:
        shown["stopped early"] = {"color": style.SOFT, "linestyle": "--", "linewidth": 0.8}
    if "diverged" in statuses:
        shown["diverged"] = {"color": _search.BAD, "linestyle": ":", "linewidth": 1.0}
    _search.legend(ax, shown)


FIGURE = Figure(
    name="search_parallel_coordinates",
    rank=40,
    title="The settings of every trial and its score",
    caption="Lines: single trials from their settings on the left to their best score on the validation part on the "
    "right; the darker, the better the trial ranks within its system. Scores worse than those of the trials that ran "
    "to the end lie at the end of the axis. Axes are logarithmic if the values were drawn on a logarithmic scale.",
    section="search",
    aside=True,
    needs=("trials.trial",),
    data=data,
    draw=draw,
    rows=None,
    panels="panel",
    columns=1,
    shared_x=False,
    panel_inches=1.8,
)
