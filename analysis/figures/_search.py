"""The trials of a search, a range that one hopeless trial cannot stretch, and a legend: what its figures share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import NotApplicable
from analysis.result import Analysis
from analysis.search.findings import Findings
from analysis.tables.trials import ENDED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STOPPED, BAD = "#9AA5B1", "#9A3D00"
FENCE = 3.0  # quartile distances beyond the worse quartile: Tukey's outer fence


def findings_of(analysis: Analysis) -> Findings:
    """Return the search of this analysis; raises NotApplicable if there is none."""
    if analysis.search is None:
        raise NotApplicable("there was no hyper-parameter search")
    return analysis.search


def trials_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """Return every trial: place, system, trial, status, these columns, `metric` and `larger_is_better`."""
    findings = findings_of(analysis)
    frame = findings.trials[["place", "system", "trial", "status", *columns]]
    return frame.assign(metric=findings.metric, larger_is_better=findings.direction == "maximize")


def is_larger_better(data: pd.DataFrame) -> bool:
    """Return whether larger values of the metric of these trials are better."""
    return bool(data["larger_is_better"].iloc[0])


def shown_range(values: pd.Series[float], larger_is_better: bool) -> tuple[float, float]:
    """Return the lowest and highest of n >= 1 values, without those beyond the outer fence on the worse side."""
    known = values.dropna()
    lower, upper = np.quantile(known, [0.25, 0.75])
    room = FENCE * (upper - lower)
    low, high = float(known.min()), float(known.max())
    if room > 0 and larger_is_better:
        low = max(low, float(lower - room))
    elif room > 0:
        high = min(high, float(upper + room))
    return low, high


def range_of_whole_trials(data: pd.DataFrame) -> tuple[float, float]:
    """The same for the best scores of completed trials, or of all trials with a score if none completed."""
    ended = data.loc[data["status"].isin(ENDED), "reached"]
    return shown_range(ended if ended.notna().any() else data["reached"], is_larger_better(data))


def limit(ax: Axes, low: float, high: float) -> None:
    """Set vertical limits around the shown range."""
    margin = 0.12 * (high - low) or 0.05 * max(abs(high), 1e-3)
    ax.set_ylim(low - margin, high + margin)


def score_axis(ax: Axes, data: pd.DataFrame) -> None:
    """Label the vertical axis with the name of the metric, broken into lines if it is long."""
    ax.set_ylabel("\n".join(style.label_lines(f"validation {visible(data['metric'].iloc[0])}", 18, 2)))


def legend(ax: Axes, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw one legend above all panels of the figure: label -> how its line or mark is drawn."""
    from matplotlib.lines import Line2D

    canvas = ax.get_figure(root=True)
    assert canvas is not None
    if canvas.legends:
        return
    handles = [Line2D([], [], label=label, **{"linestyle": "none", **look}) for label, look in entries.items()]
    canvas.legend(handles=handles, loc="outside upper left", ncols=4, fontsize=8.5, handletextpad=0.5)
