"""Confusion matrix of every system: which classes are mistaken for which, over all runs."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.figures._predictions import single_labels
from analysis.plotting import style
from analysis.plotting.figure import Figure
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES, FEWEST_PERCENT = 12, 0.005


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per system, gold class and predicted class: `count` over its runs, `share` of the gold class.

    `row` is the gold class with its letter, `column` the letter of the predicted class. Letters follow the frequency of
    the classes; classes after the twelfth and missing predictions have none.
    """
    predictions = single_labels(analysis)
    counts = predictions.groupby(["place", "system", "gold", "predicted"]).size().rename("count").reset_index()
    totals = counts.groupby(["place", "gold"])["count"].transform("sum")
    frequent = predictions["gold"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    order = {name: number for number, name in enumerate(frequent.index)}
    letters = dict(zip(frequent.index[:MOST_CLASSES], ascii_lowercase, strict=False))
    frame = counts.assign(
        share=counts["count"] / totals,
        row=counts["gold"].map(lambda name: f"{name}  {letters[name]}" if name in letters else name),
        column=counts["predicted"].map(letters),
        rank=counts["gold"].map(order),
    )
    ordered = frame.sort_values(["place", "rank", "predicted"], kind="stable", ignore_index=True)
    return ordered.drop(columns="rank")


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Rows: gold; columns: predicted; darker cells hold a larger share of the row."""
    names = list(data["row"].drop_duplicates())[:MOST_CLASSES]
    letters = ascii_lowercase[: len(names)]
    positions = style.rows(ax, names, FIGURE.row_inches)
    here = data[data["here"]]
    shares = here.pivot_table(index="row", columns="column", values="share", aggfunc="sum")
    cells = shares.reindex(index=names, columns=list(letters)).fillna(0.0)
    _cells(ax, cells, names)
    for name, shares_of_row in zip(names, cells.to_numpy(dtype=float).tolist(), strict=True):
        for column, share in enumerate(shares_of_row):
            _percent(ax, share, column, positions[name])
    ax.grid(visible=False)
    ax.set_xticks([column + 0.5 for column in range(len(letters))], list(letters))
    ax.tick_params(axis="x", length=0)
    ax.spines["bottom"].set_visible(False)
    ax.set_xlabel("predicted (letters as on the left)")


def _cells(ax: Axes, cells: pd.DataFrame, names: Sequence[str]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    edges = [style.rows_height(names[:row], FIGURE.row_inches) for row in range(len(names) + 1)]
    scale = LinearSegmentedColormap.from_list("share", ["#FFFFFF", "#7FB3D5", "#00436B"])
    mesh: Any = ax.pcolormesh(range(len(names) + 1), edges, cells.to_numpy(), cmap=scale, vmin=0, vmax=1)
    mesh.set(edgecolor=style.FAINT, linewidth=0.5)


def _percent(ax: Axes, share: float, column: int, position: float) -> None:
    if share >= FEWEST_PERCENT:
        tone = "white" if share > 0.5 else style.DARK
        ax.text(column + 0.5, position, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=tone)


FIGURE = Figure(
    name="confusion",
    rank=40,
    title="Confusion matrices",
    caption="Rows: gold classes, the most frequent first; columns: predicted classes, by the letters of the rows. "
    "Numbers: percent of the row, over all runs of the system. Shares below half a percent are left blank, and a row "
    f"adds up to less than 100 if labels outside the matrix are predicted. At most {MOST_CLASSES} classes are drawn.",
    section="errors",
    aside=True,
    needs=("runs.run_id", "predictions.gold", "predictions.predicted"),
    data=data,
    draw=draw,
    rows="row",
    most_rows=MOST_CLASSES,
    row_inches=0.21,
    panels="system",
    most_panels=6,
    columns=2,
)
