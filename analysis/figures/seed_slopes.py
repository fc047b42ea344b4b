"""Every seed as one line through all systems: whether seeds agree on the order, and why pairing by seed helps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from analysis.formatting import visible
from analysis.plotting import style
from analysis.plotting.figure import Figure, NotApplicable, scores, unit_of
from analysis.result import Analysis
from analysis.tables.normalize import KEYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLIPPED = "#9A3D00"


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: its score, `line` (seed, with split and fold if they vary), and `flips`.

    `flips` is true if the same line scores better on the next system than on this one, against the order of means.
    """
    frame = scores(analysis)
    if frame["system"].nunique() < 2:
        raise NotApplicable("there is only one system")
    keys = [key for key in KEYS if key in frame.columns and frame[key].nunique() > 1] or ["seed"]
    frame = frame.assign(line=frame[keys].astype(str).agg(", ".join, axis=1))
    following = frame.set_index(["place", "line"])["score"]
    after = [following.get((rank + 1, line)) for rank, line in zip(frame["place"], frame["line"], strict=True)]
    gain = (pd.Series(after, index=frame.index, dtype="float64") - frame["score"]) * (
        1 if analysis.direction == "maximize" else -1
    )
    return frame.assign(flips=gain > 0)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Grey: the seed agrees with the order of the means; dark and dashed: it does not."""
    from matplotlib.collections import LineCollection

    positions: dict[int, float] = {}
    for group, position, rank in style.system_rows(ax, data):
        positions[rank] = position
        ax.scatter(group["score"], [position] * len(group), s=14, color=style.colour(rank), linewidths=0, zorder=4)
    for against, colour, width, dashes in ((False, style.SOFT, 0.6, "-"), (True, FLIPPED, 1.2, "--")):
        lines = list(_segments(data[data["place"].isin(list(positions))], positions, against))
        ax.add_collection(
            LineCollection(lines, colors=colour, linewidths=width, linestyles=dashes, alpha=0.8, zorder=2)
        )
    ax.plot([], [], color=style.SOFT, linewidth=0.8, label="in the order of the means")
    ax.plot([], [], color=FLIPPED, linewidth=1.2, linestyle="--", label="against the order of the means")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    line = "seed" if unit_of(data) == "run" else "data set"
    ax.set_xlabel(f"{visible(data['metric'].iloc[0])}; each line is one {line}")


def _segments(data: pd.DataFrame, positions: dict[int, float], against: bool) -> Iterator[list[tuple[float, float]]]:
    """Yield a segment from each run to the same line's run on the next system, if it is `against` the means or not."""
    for _, line in data.groupby("line", sort=False):
        points = zip(line["score"], line["place"], line["flips"], strict=True)
        for (score, rank, flips), (next_score, next_rank, _) in itertools.pairwise(points):
            if next_rank == rank + 1 and flips == against:
                yield [(score, positions[rank]), (next_score, positions[next_rank])]


FIGURE = Figure(
    name="seed_slopes",
    rank=30,
    title="Do all of them prefer the same system?",
    caption="Points: single {runs}; a line joins the {runs} of one {seed}, from each system to the next in the order "
    "of the means. Parallel lines: {seeds} move all systems alike, and pairing by {seed} removes that. Dashed dark "
    "lines: this {seed} prefers the system with the worse mean.",
    section="comparisons",
    aside=True,
    needs=("runs.score",),
    data=data,
    draw=draw,
    frame_inches=0.86,
)
