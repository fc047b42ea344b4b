"""Critical-difference diagram: mean ranks of all systems, and which of them a Nemenyi test cannot tell apart.

Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006. Drawn with one row per system, so
that many or long names stay readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.formatting import number
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.3


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per system, the best mean rank first: `mean_rank`, and `group_until`, the last of its group.

    A group is a maximal set of neighbours whose mean ranks differ by at most `critical_difference`; `group_until` is
    empty in rows where no group of two or more starts.
    """
    friedman = analysis.omnibus.get("friedman") or {}
    mean_ranks, critical = friedman.get("mean_ranks"), friedman.get("critical_difference")
    if not mean_ranks or critical is None:
        raise NotApplicable(
            "mean ranks over seeds on one split would separate equal systems: it needs data sets or folds"
        )
    ranks = {system: rank for rank, system in enumerate(analysis.systems["system"])}
    rows = sorted(((mean, ranks[system], system) for system, mean in mean_ranks.items()), key=lambda row: row[:2])
    frame = pd.DataFrame(rows, columns=["mean_rank", "place", "system"])
    ends = groups(frame["mean_rank"].tolist(), critical)
    until = [frame["system"].iloc[end] if end is not None else None for end in ends]
    return frame[["place", "system", "mean_rank"]].assign(
        group_until=pd.Series(until, dtype=object),
        critical_difference=critical,
        blocks=friedman.get("n"),
        alpha=analysis.alpha,
    )


def groups(ranks: Sequence[float], critical: float) -> list[int | None]:
    """Return where the group starting at each ascending mean rank ends; None for a group of one or inside another."""
    ends: list[int | None] = []
    furthest = -1
    for start, rank in enumerate(ranks):
        end = max(other for other, later in enumerate(ranks) if later - rank <= critical + 1e-12)
        ends.append(end if end > start and end > furthest else None)
        furthest = max(furthest, end)
    return ends


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Points: mean ranks; each bar on the right joins systems that the test cannot tell apart."""
    names = list(data["system"])[: FIGURE.most_rows]
    positions = style.rows(ax, names, ROW_INCHES)
    shown = data[data["system"].isin(names)]
    critical = float(data["critical_difference"].iloc[0])
    best = float(data["mean_rank"].min())
    ax.axvspan(best, best + critical, color=style.FAINT, alpha=0.7, linewidth=0, zorder=0)
    for row in shown.to_dict("records"):
        ax.scatter(row["mean_rank"], positions[row["system"]], s=38, color=style.colour(int(row["place"])), zorder=4)
        style.value(ax, positions[row["system"]], number(row["mean_rank"], 2))
    for column, row in enumerate(shown.dropna(subset="group_until").to_dict("records")):
        last = positions.get(row["group_until"], max(positions.values()))
        style.bracket(ax, positions[row["system"]] - 0.07, last + 0.07, column)
    worst = float(data["mean_rank"].max())
    ax.set_xlim(best - 0.03 * (worst - best) - 0.1, max(worst, best + critical) + 0.03 * (worst - best) + 0.1)
    ax.set_xlabel(
        f"mean rank over {int(data['blocks'].iloc[0])} blocks, 1 is best; critical difference {number(critical, 2)}"
    )


FIGURE = Figure(
    name="critical_difference",
    rank=20,
    title="Mean ranks and the critical difference",
    caption="Points: mean rank of each system over the blocks that all of them completed (data sets, splits or "
    "folds). Systems joined by a bar on the right differ by less than Nemenyi's critical difference, so this test "
    "cannot tell them apart; shaded: within that difference of the best. The test uses ranks and all pairs at once "
    "and is only a description; the verdicts above come from the pairwise tests.",
    section="comparisons",
    needs=("runs.score",),
    data=data,
    draw=draw,
    row_inches=ROW_INCHES,
)
