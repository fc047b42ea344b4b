"""F1 of every class, one panel a system: where the difference between two systems comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis import ink
from analysis.class_scores import per_class
from analysis.figure import Figure, NotApplicable, predictions_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.analyze import Analysis

MOST_LABELS, MOST_ROWS = 200, 40


def data(analysis: Analysis) -> pd.DataFrame:
    """One row a run and class that occurs in the gold labels (without O): `f1`, `support`, and `row`, its label.

    Classes are sorted by support, the largest first. A prediction that is missing counts as a miss.
    """
    predictions = predictions_of(analysis, "gold", "predicted").dropna(subset="gold")
    if predictions["gold"].nunique() > MOST_LABELS:
        raise NotApplicable(
            f"the gold column has {predictions['gold'].nunique()} different values: they are not classes"
        )
    runs = [_of_run(run) for _, run in predictions.groupby("run_id", sort=False)]
    frame = pd.concat(runs, ignore_index=True) if runs else pd.DataFrame()
    if frame.empty:
        raise NotApplicable("no prediction has a gold class other than O")
    support = frame.groupby("class")["support"].transform("mean")
    ordered = frame.assign(mean_support=support, row=frame["class"] + support.map(" ({:.0f})".format))
    keys = ["place", "mean_support", "class", "run_id"]
    return ordered.sort_values(keys, ascending=[True, False, True, True], kind="stable", ignore_index=True)


def _of_run(run: pd.DataFrame) -> pd.DataFrame:
    keys = run.iloc[0].drop(["gold", "predicted"]).to_dict()
    found = run["predicted"].astype(object).where(run["predicted"].notna(), "")
    scores = per_class(run["gold"].tolist(), found.tolist())
    rows = [keys | {"class": str(one.label), "f1": one.f1, "support": one.support} for one in scores if one.support]
    return pd.DataFrame(rows)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Point and bar: mean and standard deviation over runs; small points: runs; grey ticks: the other systems."""
    names = list(data["row"].drop_duplicates())[:MOST_ROWS]
    positions = ink.rows(ax, names, FIGURE.row_inches)
    shown = data[data["row"].isin(names)]
    others = shown[~shown["here"]].groupby(["place", "row"])["f1"].mean().reset_index()
    ax.scatter(others["f1"], others["row"].map(positions), marker="|", s=42, color="#AEB6BE", linewidths=1.2, zorder=2)
    here = shown[shown["here"]]
    tone = ink.colour(int(here["place"].iloc[0]))
    ax.scatter(here["f1"], here["row"].map(positions), s=7, color=tone, alpha=0.35, linewidths=0, zorder=3)
    by_row = here.groupby("row")["f1"].agg(["mean", "std"])
    heights = by_row.index.map(positions)
    ax.errorbar(by_row["mean"], heights, xerr=by_row["std"].fillna(0), fmt="o", color=tone, markersize=4.5, zorder=4)
    ax.set_xlabel("F1")


FIGURE = Figure(
    name="per_class_f1",
    rank=50,
    title="F1 of every class",
    caption="Large points: means over runs, with one standard deviation on either side; small points: single runs; "
    "grey ticks: the other systems. In brackets: how often the class occurs in the evaluated part (mean over runs). "
    f"The outside label O is left out. With more than {MOST_ROWS} classes the most frequent are drawn; the data file "
    "has all.",
    needs=("runs.run_id", "predictions.gold", "predictions.predicted"),
    data=data,
    draw=draw,
    rows="row",
    most_rows=MOST_ROWS,
    row_inches=0.235,
    panels="system",
)
