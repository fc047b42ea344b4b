"""Predictions that one system gets right in most seeds and the other gets wrong, for each pair of systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable
from analysis.plotting.item_disagreements import OUTCOMES, majorities, outcomes
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS = 36


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per pair and outcome (see OUTCOMES): `answers` (how many predictions) and `share`."""
    right = majorities(analysis)
    pairs = [(a, b) for a, b in zip(analysis.comparisons["a"], analysis.comparisons["b"], strict=True)
             if a in right.columns and b in right.columns]  # fmt: skip
    if not pairs:
        raise NotApplicable("no two systems have predictions for the same items")
    if len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if analysis.best in pair]
    return pd.concat([_of_pair(right, a, b) for a, b in pairs], ignore_index=True)


def _of_pair(right: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    of_pair = outcomes(right[a], right[b]).dropna()
    counts = of_pair.value_counts().reindex(list(OUTCOMES), fill_value=0)
    rows = {"outcome": counts.index, "answers": counts.to_numpy(), "share": counts.to_numpy() / max(1, len(of_pair))}
    return pd.DataFrame(rows).assign(pair=f"{a}{style.MINUS}{b}", a=a, b=b)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """To the right: only the first is right; to the left: only the second is."""
    positions = style.rows(ax, list(data["pair"].drop_duplicates())[:MOST_PAIRS], FIGURE.row_inches)
    for pair, position in positions.items():
        row = data[data["pair"] == pair].set_index("outcome")
        first, second = 100 * row["share"]["only_first"], 100 * row["share"]["only_second"]
        ax.barh(position, first, height=0.2, color=style.colour(0), linewidth=0)
        ax.barh(position, -second, height=0.2, color="white", edgecolor=style.colour(0), hatch="////", linewidth=0.8)
        style.value(ax, position, f"{row['answers']['only_second']:.0f} : {row['answers']['only_first']:.0f}")
    ax.axvline(0, color=style.DARK, linewidth=0.9)
    reach = max(1e-9, 100 * float(data.loc[data["outcome"].isin(["only_first", "only_second"]), "share"].max()))
    ax.set_xlim(-1.1 * reach, 1.1 * reach)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}%")
    ax.set_xlabel(
        "share of all predictions, and their counts\nleft: only the second is right; right: only the first is"
    )


FIGURE = Figure(
    name="item_disagreement",
    rank=20,
    title="Where two systems disagree",
    caption="A system is right about an item if more than half of its seeds are. Solid, to the right: only the first "
    "system is right; hatched, to the left: only the second is; far right: the counts. Long bars on both sides mean "
    "that the systems make different errors, so that combining them would help. The items with the largest "
    "disagreement are in item_disagreements.csv.",
    section="errors",
    needs=("runs.run_id", "predictions.item", "predictions.correct"),
    data=data,
    draw=draw,
    rows="pair",
    most_rows=MOST_PAIRS,
    frame_inches=0.8,
)
