"""The validation score of every trial after each epoch, with the rungs at which weak trials were stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.figures import _search
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis
from analysis.tables.trials import ENDED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STOPPED: dict[str, Any] = {"color": _search.STOPPED, "linewidth": 0.7, "alpha": 0.9, "zorder": 1}
_DIVERGED: dict[str, Any] = {"color": _search.BAD, "linewidth": 1.0, "linestyle": "--", "zorder": 2}
_OTHER: dict[str, Any] = {"color": style.DARK, "linewidth": 0.8, "linestyle": ":", "zorder": 2}


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per trial and epoch: validation `score`, `is_best`, `is_rung` (whether trials can end there)."""
    findings = _search.findings_of(analysis)
    column = f"metric_{findings.metric}"
    epochs = analysis.results.trial_epochs
    if column not in epochs.columns:
        raise NotApplicable(f"the epochs of the trials have no column {column}")
    trials = _search.trials_of(analysis, "run_id", "is_best", "whole_epochs")
    frame = trials.merge(epochs[["run_id", "epoch", column]].rename(columns={column: "score"}), on="run_id")
    frame = frame.dropna(subset="score").sort_values(["place", "trial", "epoch"], kind="stable", ignore_index=True)
    if frame.empty:
        raise NotApplicable("no trial has a score after an epoch")
    longest = findings.trials.groupby("system")["whole_epochs"].max().fillna(frame["epoch"].max())
    rungs = {system: findings.settings.rungs(int(epochs)) for system, epochs in longest.items()}
    is_rung = [epoch in rungs[system] for system, epoch in zip(frame["system"], frame["epoch"], strict=True)]
    return frame.drop(columns=["run_id", "whole_epochs"]).assign(is_rung=is_rung)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw one line per trial, a mark where it was stopped, and vertical lines at the rungs."""
    here = data[data["here"]]
    tone = style.colour(int(here["place"].iloc[0]))
    low, high = _search.shown_range(data["score"], _search.is_larger_better(data))
    looks = _looks(tone)
    for rung in sorted(here.loc[here["is_rung"], "epoch"].unique()):
        ax.axvline(rung, color=style.FAINT, linewidth=1.6, zorder=0)
    for _, line in here.groupby("trial"):
        look = looks["best"] if line["is_best"].iloc[0] else looks.get(line["status"].iloc[0], _OTHER)
        scores = line["score"].clip(low, high)
        ax.plot(line["epoch"], line["score"], **look)
        if line["status"].iloc[0] not in ENDED or len(line) == 1:
            ax.plot(line["epoch"].iloc[-1:], scores.iloc[-1:], **{**look, "marker": "o", "markersize": 2.5})
    _search.limit(ax, low, high)
    style.whole_numbers(ax, data["epoch"])
    ax.set_xlabel("epoch")
    _search.score_axis(ax, data)
    _legend(ax, data)


def _looks(tone: str) -> dict[str, dict[str, Any]]:
    whole = {"color": tone, "linewidth": 0.9, "alpha": 0.65, "zorder": 3}
    best = {"color": tone, "linewidth": 2.2, "zorder": 4}
    return {"best": best, "completed": whole, "collapsed": whole, "pruned": _STOPPED, "diverged": _DIVERGED}


def _legend(ax: Axes, data: pd.DataFrame) -> None:
    looks = _looks(style.SOFT)
    statuses = set(data["status"])
    labels = {"best": "best trial", "completed": "other trials that ran to the end", "pruned": "stopped early"}
    labels |= {"diverged": "diverged"}
    shown = {label: {"linestyle": "-", **looks[name]} for name, label in labels.items() if name in {"best", *statuses}}
    if statuses - {*labels, "collapsed"}:
        shown["failed or unfinished"] = _OTHER
    if data["is_rung"].any():
        shown["rung"] = {"color": style.FAINT, "linewidth": 1.6, "linestyle": "-"}
    _search.legend(ax, shown)


FIGURE = Figure(
    name="search_learning_curves",
    rank=30,
    title="How the trials learned, and where they were stopped",
    caption="Lines: single trials after each epoch; a mark ends a trial that did not run to the end. Vertical lines: "
    "the rungs, the epochs after which a trial that is behind the others is stopped. The more lines cross to the "
    "right of a rung, the less safe it is to judge there.",
    section="search",
    needs=("trials.trial", "trial_epochs.epoch"),
    data=data,
    draw=draw,
    rows=None,
    panels="system",
)
