"""The look of all figures: palette, type, rows with labels that never overlap, points for single seeds.

Colours: Okabe and Ito, "Color Universal Design", 2008 (safe for the common kinds of colour blindness), ordered so that
neighbours also differ in lightness and stay distinct in a grey print. A colour never carries a meaning alone: every row
or panel is labelled.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.formatting import visible
from analysis.plotting.figure import MOST_ROWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#0072B2", "#E69F00", "#D55E00", "#56B4E9", "#009E73", "#4D4D4D", "#CC79A7")
DARK, SOFT, FAINT = "#1F2933", "#5F6B76", "#DDE2E7"
WIDTH_INCHES = 7.2
MINUS = " \N{MINUS SIGN} "  # in the label of a pair
LABEL_COLUMNS, LABEL_LINES, LINE_INCHES = 30, 3, 0.155
ROW_LABEL = "row-label"  # marks the texts that label all panels of a row

STYLE: dict[str, Any] = {
    "text.parse_math": False,
    "text.color": DARK,
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": "#8A949E",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": "#8A949E",
    "ytick.color": "#8A949E",
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}


def colour(rank: int) -> str:
    """Return the colour of the system with this rank; after the last colour the palette starts again."""
    return PALETTE[rank % len(PALETTE)]


def label_lines(text: object, columns: int = LABEL_COLUMNS, lines: int = LABEL_LINES) -> list[str]:
    """Break a name into at most `lines` lines of `columns` characters; a longer name loses its middle."""
    name = visible(text)
    first, minus, second = name.partition(MINUS)
    if minus and len(name) > columns:
        head, *tail = label_lines(second, columns - 2, 2)
        return [*label_lines(first, columns, 2), f"{minus.lstrip()}{head}", *tail]
    room = columns * lines
    if len(name) > room:
        name = f"{name[: room - columns]}…{name[-(columns - 1) :]}"
    wrapped = textwrap.wrap(name, columns, break_on_hyphens=True) or [""]
    if len(wrapped) > lines:
        wrapped = [name[start : start + columns] for start in range(0, len(name), columns)]
    return wrapped


def rows_height(names: Sequence[Hashable], row_inches: float) -> float:
    """Return the inches that rows with these labels need, one below the other."""
    return sum(max(row_inches, LINE_INCHES * len(label_lines(name)) + 0.09) for name in names)


def row_positions(names: Sequence[Hashable], row_inches: float) -> dict[Hashable, float]:
    """Return the vertical centre of each row in inches from the top: rows with longer labels take more room."""
    heights = [rows_height([name], row_inches) for name in names]
    ends = np.cumsum(heights)
    return {name: float(end - height / 2) for name, height, end in zip(names, heights, ends, strict=True)}


def rows(
    ax: Axes, names: Sequence[Hashable], row_inches: float = 0.42, *, labels: bool = True
) -> dict[Hashable, float]:
    """Lay out one labelled row per name, the first on top; return the vertical position of each (in inches)."""
    positions = row_positions(names, row_inches)
    ax.set_ylim(rows_height(names, row_inches), 0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    for name, position in positions.items() if labels else ():
        _row_label(ax, name, position)
    return positions


def system_rows(ax: Axes, data: pd.DataFrame, row_inches: float = 0.42) -> Iterator[tuple[pd.DataFrame, float, int]]:
    """Lay out one row per system, the first 20; yield its part of `data`, its vertical position and its rank."""
    positions = rows(ax, list(data["system"].drop_duplicates())[:MOST_ROWS], row_inches)
    for system, group in data.groupby("system", sort=False):
        if system in positions:
            yield group, positions[system], int(group["place"].iloc[0])


def _row_label(ax: Axes, name: Hashable, position: float) -> None:
    """Write one text per line, so that an SVG viewer with another font still aligns every line to the right."""
    lines = label_lines(name)
    for number, line in enumerate(lines):
        drop = (len(lines) - 1) / 2 - number
        ax.annotate(
            line,
            (0, position),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-8, drop * LINE_INCHES * 72),
            textcoords="offset points",
            ha="right",
            va="center",
            gid=ROW_LABEL,
        )


def apart(wanted: Sequence[float], heights: Sequence[float], room: float) -> list[float]:
    """Return centres of labels of these heights, each as close below its wanted position as the room allows.

    `wanted` ascends; positions are measured from 0 (the top) to `room`, which is at least the sum of the heights.
    """
    centres: list[float] = []
    end = 0.0
    for position, height in zip(wanted, heights, strict=True):
        centres.append(max(position, end + height / 2))
        end = centres[-1] + height / 2
    limit = room
    for number in range(len(centres) - 1, -1, -1):
        centres[number] = min(centres[number], limit - heights[number] / 2)
        limit = centres[number] - heights[number] / 2
    return centres


def spread(values: pd.Series[float], width: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return offsets in [-width/2, width/2] that keep the points of a row apart; by rank, so same input, same image."""
    ranks = values.rank(method="first").to_numpy(dtype=float) - 1
    golden = (np.sqrt(5) - 1) / 2
    offsets: np.ndarray[Any, np.dtype[np.float64]] = ((ranks * golden) % 1.0 - 0.5) * width
    return offsets


def points(ax: Axes, values: pd.Series[float], position: float, rank: int, width: float = 0.2) -> None:
    """Draw every seed as a point around `position`."""
    ax.scatter(
        values,
        position + spread(values, width),
        s=13,
        color=colour(rank),
        edgecolors="white",
        linewidths=0.5,
        zorder=4,
    )


def value(ax: Axes, position: float, text: str) -> None:
    """Write a number in the column right of the axes, where no mark can lie under it."""
    ax.annotate(
        text,
        (1, position),
        xycoords=ax.get_yaxis_transform(),
        xytext=(6, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=8.5,
        color=DARK,
    )


def bracket(ax: Axes, first: float, last: float, column: int) -> None:
    """Draw a bar from one row to another, right of the column of numbers; `column` counts the bars from the left."""
    from matplotlib.transforms import ScaledTranslation

    canvas = ax.get_figure(root=True)
    assert canvas is not None
    shift = ScaledTranslation((44 + 7 * column) / 72, 0, canvas.dpi_scale_trans)
    where = ax.get_yaxis_transform() + shift
    ax.plot([1, 1], [first, last], color=DARK, linewidth=3, clip_on=False, transform=where, solid_capstyle="butt")


def key(ax: Axes, faces: dict[str, str]) -> None:
    """Draw a legend of round marks above the axes: name -> face colour."""
    for name, face in faces.items():
        ax.scatter([], [], s=36, facecolors=face, edgecolors=SOFT, linewidths=1.3, label=name)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(faces), borderaxespad=0.2, handletextpad=0.3)


def whole_numbers(ax: Axes, values: pd.Series[int]) -> None:
    """Put ticks on the horizontal axis at whole numbers only, at most six of them."""
    first, last = int(values.min()), int(values.max())
    step = max(1, -(-(last - first) // 5))
    ax.set_xticks(range(first, last + 1, step))


def leader(ax: Axes, point: tuple[float, float], height: float, name: Hashable) -> None:
    """Write a name right of the axes at `height` (0 to 1), with a thin line to its point on the axes."""
    lines = label_lines(name)
    for number, line in enumerate(lines):
        drop = ((len(lines) - 1) / 2 - number) * LINE_INCHES * 72
        ax.annotate(
            line,
            (1, height),
            xycoords="axes fraction",
            xytext=(16, drop),
            textcoords="offset points",
            ha="left",
            va="center",
        )
    ax.annotate(
        "",
        point,
        xycoords="data",
        xytext=(1.02, height),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "color": "#AEB6BE", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        annotation_clip=False,
    )
