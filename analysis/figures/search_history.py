"""Every trial of a search in order, and the best score so far, one panel per system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.figures import _search
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS: dict[str, dict[str, Any]] = {
    "completed": {"marker": "o", "markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.5},
    "collapsed": {"marker": "s", "markersize": 4.5, "markeredgecolor": style.DARK, "markeredgewidth": 0.8},
    "pruned": {"marker": "v", "markersize": 4.5, "color": "white", "markeredgecolor": _search.STOPPED},
    "diverged": {"marker": "x", "markersize": 5, "color": _search.BAD},
    "failed": {"marker": "+", "markersize": 6, "color": style.DARK},
}
_LABELS = {"pruned": "stopped early"}


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per trial: `reached` (its best score, missing if it has none), `best_so_far`, `default`.

    `default` is the score of the experiment's own settings, the same in all rows of a system.
    """
    frame = _search.trials_of(analysis, "proposed_by", "value", "reached", "best_so_far")
    if frame["reached"].isna().all():
        raise NotApplicable("no trial has a score yet")
    own = frame[frame["proposed_by"] == "default"].groupby("system")["value"].first()
    return frame.assign(default=frame["system"].map(own)).drop(columns="value")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Marks: trials; steps: best so far; dotted: default settings. Trials without a score lie at the worse edge."""
    from matplotlib.ticker import MaxNLocator

    here = data[data["here"]]
    tone = style.colour(int(here["place"].iloc[0]))
    better = _search.is_larger_better(data)
    low, high = _search.range_of_whole_trials(data)
    edge = 0.035 if better else 0.965
    for status, look in _LOOKS.items():
        own = here[here["status"] == status]
        is_inside = own["reached"].between(low, high)
        look = {"color": tone, "linestyle": "none", "zorder": 4, **look}
        ax.plot(own.loc[is_inside, "trial"], own.loc[is_inside, "reached"], **look)
        beyond = own.loc[~is_inside, "trial"]
        ax.plot(beyond, [edge] * len(beyond), transform=ax.get_xaxis_transform(), **look)
    ax.step(here["trial"], here["best_so_far"], where="post", color=tone, linewidth=1.4, zorder=3)
    if here["default"].notna().any():
        ax.axhline(here["default"].iloc[0], color=style.SOFT, linewidth=0.9, linestyle=":", zorder=2)
    _search.limit(ax, low, high)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlim(0.3, data["trial"].max() + 0.7)
    ax.set_xlabel("trial of this system")
    _search.score_axis(ax, data)
    _legend(ax, data)


def _legend(ax: Axes, data: pd.DataFrame) -> None:
    grey = {"color": style.SOFT}
    marks = {
        _LABELS.get(status, status): {**grey, **look}
        for status, look in _LOOKS.items()
        if (data["status"] == status).any()
    }
    lines = {"best so far": {**grey, "linestyle": "-"}, "default settings": {**grey, "linestyle": ":"}}
    _search.legend(ax, marks | lines)


FIGURE = Figure(
    name="search_history",
    rank=10,
    title="What the search found, trial by trial",
    caption="Marks: single trials by their best score on the validation part; a stopped trial is drawn at the score "
    "it had reached. Trials that diverged or failed have no score and lie at the worse edge, as do scores worse than "
    "those of the trials that ran to the end. Each trial is one run with one seed: steps as small as the spread "
    "between seeds mean nothing.",
    section="search",
    needs=("trials.trial",),
    data=data,
    draw=draw,
    rows=None,
    panels="system",
)
