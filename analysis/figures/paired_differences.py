"""Forest plot of the pairwise differences with their intervals: the figure behind the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.formatting import decimals, signed, visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable, runs_of
from analysis.result import Analysis
from analysis.tables.normalize import KEYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS = 36
DECIDED = ("better", "worse")


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per pair and seed: the seed's `difference`, and the pair's mean_diff, interval and verdict.

    With more than 36 pairs, only those with the best system; statistical_tests.csv has all.
    """
    pairs = analysis.comparisons[analysis.comparisons["n_pairs"] > 0].dropna(subset="mean_diff")
    if pairs.empty:
        raise NotApplicable("no two systems share a seed")
    if len(pairs) > MOST_PAIRS:
        pairs = pairs[(pairs["a"] == analysis.best) | (pairs["b"] == analysis.best)]
    runs = runs_of(analysis, "score")
    keys = [key for key in KEYS if key in runs.columns]
    wide = runs.pivot_table(index=keys, columns="system", values="score", dropna=False)
    return pd.concat([_of_pair(pair, wide, analysis) for _, pair in pairs.iterrows()], ignore_index=True)


def _of_pair(pair: pd.Series[Any], wide: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    difference = (wide[pair["a"]] - wide[pair["b"]]).dropna().rename("difference").reset_index()
    facts: dict[str, Any] = {name: pair[name] for name in ("a", "b", "mean_diff", "verdict")}
    low, high = _interval(pair)
    level = f"{100 * (1 - analysis.alpha):g}%"
    facts |= {"ci_low": low, "ci_high": high, "level": level, "rope": analysis.rope}
    label = f"{pair['a']}{style.MINUS}{pair['b']}"
    frame: pd.DataFrame = difference.assign(pair=label, **facts, metric=analysis.metric, direction=analysis.direction)
    return frame.assign(unit=analysis.unit)


def _interval(pair: pd.Series[Any]) -> tuple[float, float]:
    """Return the interval of the primary test if it has one, else the interval of the paired t-test."""
    if pd.notna(pair["primary_ci_low"]):
        return pair["primary_ci_low"], pair["primary_ci_high"]
    return pair["ci_low"], pair["ci_high"]


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Filled: better or worse; hollow: not decided; small points: single seeds; shaded: too small to matter."""
    positions = style.rows(ax, list(data["pair"].drop_duplicates())[:MOST_PAIRS], FIGURE.row_inches)
    rope = data["rope"].iloc[0]
    if pd.notna(rope):
        ax.axvspan(-rope, rope, color=style.FAINT, alpha=0.6, linewidth=0, zorder=0)
    ax.axvline(0, color=style.DARK, linewidth=0.9, zorder=1)
    for pair, group in data.groupby("pair", sort=False):
        if pair in positions:
            _pair(ax, group, positions[pair])
    style.key(ax, {"decided: better or worse": style.colour(0), "not decided": "white"})
    first = data.iloc[0]
    side = "right" if first["direction"] == "maximize" else "left"
    difference = f"difference in {visible(first['metric'])}, first minus second, with its {first['level']} interval"
    ax.set_xlabel(f"{difference}\n{side} of zero: the first is better")


def _pair(ax: Axes, group: pd.DataFrame, position: float) -> None:
    first, tone = group.iloc[0], style.colour(0)
    above = position + 0.1 + style.spread(group["difference"], 0.06)
    ax.scatter(group["difference"], above, s=7, color=style.SOFT, alpha=0.55, linewidths=0, zorder=2)
    if pd.notna(first["ci_low"]):
        ax.plot([first["ci_low"], first["ci_high"]], [position] * 2, color=tone, linewidth=2.0, zorder=3)
    face = tone if first["verdict"] in DECIDED else "white"
    ax.scatter(first["mean_diff"], position, s=42, facecolors=face, edgecolors=tone, linewidths=1.5, zorder=4)
    style.value(ax, position, signed(first["mean_diff"], decimals(group["mean_diff"])))


FIGURE = Figure(
    name="paired_differences",
    rank=10,
    title="Differences between systems",
    caption="One row per pair, first system minus second. Large mark: mean difference over {seeds}; line: its "
    "interval, not corrected for the number of comparisons; small points: single {seeds}. A filled mark is a "
    "verdict of better or worse after correction; a hollow one is undecided. Shaded, if set: the region of practical "
    f"equivalence. With more than {MOST_PAIRS} pairs, only those with the best system are drawn.",
    section="comparisons",
    needs=("runs.score",),
    data=data,
    draw=draw,
    rows="pair",
    most_rows=MOST_PAIRS,
    row_inches=0.46,
    frame_inches=1.0,
)
