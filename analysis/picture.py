"""Turn a figure and its frame into SVG, PDF and PNG bytes that depend on nothing but the two."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pandas as pd

from analysis import ink
from analysis.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
TITLE_INCHES, MOST_COLUMNS = 0.42, 3
ROW_LABEL_INCHES, AXIS_INCHES, TITLE_CHARACTER_INCHES = 2.2, 0.6, 0.095
DOTS_PER_INCH = 200


def render(figure: Figure, data: pd.DataFrame) -> dict[str, bytes]:
    """The picture as {"svg", "pdf", "png"}: same frame, same bytes (no dates, fixed identifiers)."""
    with style(figure.name):
        canvas = draw(figure, data)
        raw = {
            "svg": _save(canvas, "svg", {"Date": None, "Creator": None}),
            "pdf": _save(canvas, "pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
            "png": _save(canvas, "png", {"Software": None}),
        }
    return raw | {"svg": tidy_svg(raw["svg"], figure)}


@contextmanager
def style(salt: str) -> Iterator[None]:
    """Our style on top of matplotlib's own defaults (not the user's), for the time of one picture."""
    from matplotlib import style as sheets

    with warnings.catch_warnings(), sheets.context(["default", ink.STYLE | {"svg.hashsalt": salt}]):
        # A script that the embedded font lacks is drawn as boxes in PDF and PNG; the SVG keeps its text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def draw(figure: Figure, data: pd.DataFrame) -> Canvas:
    """Draw every panel of the figure on a canvas of its own; nothing global is touched."""
    from matplotlib.figure import Figure as Canvas

    panels = [None] if figure.panels is None else list(data[figure.panels].drop_duplicates())
    columns = min(len(panels), MOST_COLUMNS)
    grid = math.ceil(len(panels) / columns)
    canvas = Canvas(figsize=(ink.WIDTH_INCHES, grid * _panel_inches(figure, data)))
    axes = list(canvas.subplots(grid, columns, sharex=True, sharey=True, squeeze=False).flatten())
    for number, (panel, ax) in enumerate(zip(panels, axes, strict=False)):
        if figure.panels is None:
            figure.draw(data, ax)
        else:
            figure.draw(data.assign(here=data[figure.panels] == panel), ax)
            ax.set_title("\n".join(ink.label_lines(panel, _title_columns(figure, columns))))
            _keep_outer_labels(ax, left=number % columns == 0, bottom=number + columns >= len(panels))
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")
    return canvas


def _keep_outer_labels(ax: Axes, *, left: bool, bottom: bool) -> None:
    """Labels stand once a row and once a column of panels: at the left, and where no panel follows below."""
    ax.tick_params(labelbottom=bottom)
    if not bottom:
        ax.set_xlabel("")
    if not left:
        ax.set_ylabel("")
        for text in ax.texts:
            text.set_visible(False)


def _title_columns(figure: Figure, columns: int) -> int:
    """How many characters of a title fit over one panel, beside the room that the labels at the left take."""
    room = ink.WIDTH_INCHES - (ROW_LABEL_INCHES if figure.rows else AXIS_INCHES)
    return int(room / columns / TITLE_CHARACTER_INCHES)


def _panel_inches(figure: Figure, data: pd.DataFrame) -> float:
    title = TITLE_INCHES if figure.panels else 0.0
    if figure.rows is None:
        return figure.panel_inches + title
    names = list(data[figure.rows].drop_duplicates())[: figure.most_rows]
    return ink.rows_height(names, figure.row_inches) + figure.frame_inches + title


def _save(canvas: Canvas, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format=kind, metadata=metadata, dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def tidy_svg(raw: bytes, figure: Figure) -> bytes:
    """Make an SVG fit to stand inside a page beside others: own identifiers, a name and a description, no metadata."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(raw)
    _drop(root, "metadata", "style")
    _rename_identifiers(root, figure.name)
    title, description = ElementTree.Element(f"{{{SVG}}}title"), ElementTree.Element(f"{{{SVG}}}desc")
    title.text, description.text = figure.title, figure.caption
    title.set("id", f"{figure.name}-title")
    description.set("id", f"{figure.name}-description")
    root[:0] = [title, description]
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{figure.name}-title",
        "aria-describedby": f"{figure.name}-description",
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return text + b"\n"


def _drop(root: ElementTree.Element, *names: str) -> None:
    tags = {f"{{{SVG}}}{name}" for name in names}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in tags]:
            parent.remove(child)


def _rename_identifiers(root: ElementTree.Element, prefix: str) -> None:
    """Prefix the identifiers that something refers to; remove the others, which would collide between figures."""
    elements = list(root.iter())
    referenced = {target for element in elements for item in element.items() if (target := _target(*item))}
    for element in elements:
        identifier = element.attrib.pop("id", None)
        for key, value in element.items():
            if target := _target(key, value):
                element.set(key, value.replace(f"#{target}", f"#{prefix}-{target}"))
        if identifier in referenced:
            element.set("id", f"{prefix}-{identifier}")


def _target(key: str, value: str) -> str | None:
    if value.startswith("url(#"):
        return value[5:-1]
    return value[1:] if key.endswith("href") and value.startswith("#") else None
