"""The best score to expect of a search with a smaller budget, in trials and in epochs (Dodge et al. 2019)."""

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
    """One row a system, kind of budget and number of trials: `budget` (trials, or epochs), `expected` best score.

    The draws are the trials that a searcher proposed, the default settings aside. Stopped ones count by the best score
    that they reached, diverged ones like the worst of the others. `is_exact`: independent draws that ran to the end.
    """
    found = _search.findings_of(analysis)
    drawn = found.trials[(found.trials["proposed_by"] != "default") & found.trials["status"].isin(_DRAWN)]
    sign = 1.0 if found.direction == "maximize" else -1.0
    parts = []
    for (place, system), own in drawn.groupby(["place", "system"], sort=True):
        gains = sign * own["reached"]
        if gains.notna().sum() < 2:
            continue
        expected = sign * expected_best(gains.fillna(gains.min()).to_numpy())
        number = np.arange(1, len(own) + 1)
        budgets = {"trials": number, "epochs": number * own["epochs"].mean()}
        parts += [
            pd.DataFrame(
                {"panel": PANELS[kind], "place": place, "system": system, "budget": budget, "expected": expected}
            )
            for kind, budget in budgets.items()
        ]
    if not parts:
        raise NotApplicable("no system has two trials with a score that a searcher proposed")
    frame = pd.concat(parts, ignore_index=True).sort_values(["panel", "place"], ascending=[False, True], kind="stable")
    settings = {"is_exact": found.settings.are_independent, "larger_is_better": found.direction == "maximize"}
    return frame.assign(metric=found.metric, **settings).reset_index(drop=True)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """One line a system, dashed where it is an approximation; names in a column at the right."""
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
    """Names at the right, in the order of the curves' ends, each with a line to it."""
    ordered = ends.sort_values("expected", ascending=False, kind="stable")
    low, high = ax.get_ylim()
    heights = [style.rows_height([name], ROW_INCHES) for name in ordered["system"]]
    room = max(FIGURE.least_inches, sum(heights))
    wanted = [min(1.0, (high - score) / (high - low)) * room for score in ordered["expected"]]
    for row, centre in zip(ordered.to_dict("records"), style.apart(wanted, heights, room), strict=True):
        style.leader(ax, (row["budget"], row["expected"]), 1 - centre / room, row["system"])


def remark(data: pd.DataFrame) -> str:
    """Whether the draws were independent and whole, as the estimate assumes."""
    if data["is_exact"].iloc[0]:
        return "The trials are independent random draws that all ran to their end, as the estimate assumes."
    return (
        "Dashed: an approximation, because the estimate assumes independent random draws that all ran to their end, "
        "and here trials were stopped early or proposed in view of earlier ones."
    )


FIGURE = Figure(
    name="search_expected_best",
    rank=50,
    title="What a smaller budget would have found",
    caption="The expected best validation score of so many trials drawn from those that were made (Dodge et al., 2019, "
    "in the unbiased form of Tang et al., 2020), the default settings aside. In epochs, a trial costs what the trials "
    "of that system cost on average. Diverged trials count like the worst of the others. Near the right end few draws "
    "differ, and the curve says little more than the best trial itself.",
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
