"""The best score to expect from a search with a smaller budget, in trials and in epochs (Dodge et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.figures import _search
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis
from analysis.search.summary import expected_best

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {"trials": "Budget in trials", "epochs": "Budget in epochs"}
ROW_INCHES = 0.2
_DRAWN = ("completed", "collapsed", "pruned", "diverged")


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per system, kind of budget and number of trials: `budget` (trials or epochs), `expected` score.

    The draws are the trials that a searcher proposed, without the default settings. Stopped trials count with the best
    score they reached, diverged ones like the worst of the others. `is_exact`: independent draws that all completed.
    """
    findings = _search.findings_of(analysis)
    trials = findings.trials
    drawn = trials[(trials["proposed_by"] != "default") & trials["status"].isin(_DRAWN)]
    sign = 1.0 if findings.direction == "maximize" else -1.0
    parts = []
    for (rank, system), own in drawn.groupby(["place", "system"], sort=True):
        gains = sign * own["reached"]
        if gains.notna().sum() < 2:
            continue
        expected = sign * expected_best(gains.fillna(gains.min()).to_numpy())
        number = np.arange(1, len(own) + 1)
        budgets = {"trials": number, "epochs": number * own["epochs"].mean()}
        parts += [
            pd.DataFrame(
                {"panel": PANELS[kind], "place": rank, "system": system, "budget": budget, "expected": expected}
            )
            for kind, budget in budgets.items()
        ]
    if not parts:
        raise NotApplicable("no system has two trials with a score that were proposed by a searcher")
    frame = pd.concat(parts, ignore_index=True).sort_values(["panel", "place"], ascending=[False, True], kind="stable")
    settings = {"is_exact": findings.settings.are_independent, "larger_is_better": findings.direction == "maximize"}
    return frame.assign(metric=findings.metric, **settings).reset_index(drop=True)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Draw one line per system, dashed if it is an approximation; names in a column on the right."""
    here = data[data["here"]]
    systems = list(here["system"].drop_duplicates())[: FIGURE.most_rows]
    here = here[here["system"].isin(systems)]
    dashes = "-" if here["is_exact"].iloc[0] else "--"
    low, high = _search.shown_range(here["expected"], _search.is_larger_better(data))
    for _, line in here.groupby("place", sort=True):
        ax.plot(line["budget"], line["expected"], dashes, color=style.colour(int(line["place"].iloc[0])), linewidth=1.6)
    _search.limit(ax, low, high)
    ax.set_xlim(0, 1.02 * here["budget"].max())
    ax.grid(axis="y")
    ax.set_xlabel("trials of one system" if here["panel"].iloc[0] == PANELS["trials"] else "epochs of all its trials")
    ax.set_ylabel("\n".join(style.label_lines(f"expected best {data['metric'].iloc[0]}", 22, 2)))
    _names(ax, here.groupby("system", sort=False).tail(1))


def _names(ax: Axes, ends: pd.DataFrame) -> None:
    """Write names on the right, in the order of the ends of the curves, each with a line to its curve."""
    ordered = ends.sort_values("expected", ascending=False, kind="stable")
    low, high = ax.get_ylim()
    heights = [style.rows_height([name], ROW_INCHES) for name in ordered["system"]]
    room = max(FIGURE.least_inches, sum(heights))
    wanted = [min(1.0, (high - score) / (high - low)) * room for score in ordered["expected"]]
    for row, centre in zip(ordered.to_dict("records"), style.apart(wanted, heights, room), strict=True):
        style.leader(ax, (row["budget"], row["expected"]), 1 - centre / room, row["system"])


def remark(data: pd.DataFrame) -> str:
    """Say whether the draws were independent and complete, as the estimate assumes."""
    if data["is_exact"].iloc[0]:
        return "The trials are independent random draws that all ran to the end, as the estimate assumes."
    return (
        "Dashed: an approximation, because the estimate assumes independent random draws that all ran to the end, "
        "and here trials were stopped early or proposed on the basis of earlier ones."
    )


FIGURE = Figure(
    name="search_expected_best",
    rank=50,
    title="What a smaller budget would have found",
    caption="The expected best validation score of a given number of trials drawn from the ones that ran (Dodge et "
    "al., 2019, in the unbiased form of Tang et al., 2020), without the default settings. In epochs, a trial costs as "
    "much as the trials of that system do on average. Diverged trials count like the worst of the others. Near the "
    "right end few draws differ, and the curve says little more than the best trial itself.",
    section="search",
    aside=True,
    needs=("trials.trial",),
    data=data,
    draw=draw,
    row_inches=ROW_INCHES,
    panels="panel",
    columns=1,
    shared_x=False,
    least_inches=1.7,
    most_rows=12,
    frame_inches=0.7,
    remark=remark,
)
