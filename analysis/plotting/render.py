"""Turn a figure and its frame into SVG, PDF and PNG bytes that depend on nothing else."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, get_args
from xml.etree import ElementTree

import pandas as pd

from analysis.plotting import style
from analysis.plotting.figure import Figure, Kind, unit_of
from analysis.plotting.pdf_fonts import small_fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_REFERENCE = re.compile(r"url\(#([^)]+)\)")
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
TITLE_INCHES = 0.42
ROW_LABEL_INCHES, AXIS_INCHES, TITLE_CHARACTER_INCHES = 2.2, 0.6, 0.095
DOTS_PER_INCH = 200
KINDS: tuple[Kind, ...] = get_args(Kind)
OMITTED_METADATA: dict[Kind, tuple[str, ...]] = {
    "svg": ("Date", "Creator"),
    "pdf": ("CreationDate", "Creator", "Producer"),
    "png": ("Software",),
}


def render(figure: Figure, data: pd.DataFrame, kinds: Sequence[Kind] = KINDS) -> dict[Kind, bytes]:
    """Return the image in these formats: same frame, same bytes (no dates, fixed identifiers)."""
    with drawing_style(figure.name):
        canvas = draw(figure, data)
        raw = {kind: _save(canvas, kind) for kind in kinds}
    caption = figure.worded(unit_of(data))
    return {kind: tidy_svg(content, figure, caption) if kind == "svg" else content for kind, content in raw.items()}


@contextmanager
def drawing_style(salt: str) -> Iterator[None]:
    """Use our style on top of matplotlib's own defaults (not the user's) while one figure is drawn."""
    from matplotlib import style as sheets

    with warnings.catch_warnings(), sheets.context(["default", style.STYLE | {"svg.hashsalt": salt}]):
        # A script that the embedded font lacks is drawn as boxes in PDF and PNG; the SVG keeps its text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def draw(figure: Figure, data: pd.DataFrame) -> Canvas:
    """Draw every panel of the figure on its own canvas, without touching anything global."""
    from matplotlib.figure import Figure as Canvas

    panels = [None] if figure.panels is None else list(data[figure.panels].drop_duplicates())[: figure.most_panels]
    columns = min(len(panels), figure.columns)
    rows = math.ceil(len(panels) / columns)
    canvas = Canvas(figsize=(style.WIDTH_INCHES, rows * _panel_inches(figure, data)), dpi=DOTS_PER_INCH)
    axes = list(canvas.subplots(rows, columns, sharex=figure.shared_x, sharey=True, squeeze=False).flatten())
    for number, (panel, ax) in enumerate(zip(panels, axes, strict=False)):
        if figure.panels is None:
            figure.draw(data, ax)
        else:
            figure.draw(data.assign(here=data[figure.panels] == panel), ax)
            ax.set_title("\n".join(style.label_lines(panel, _title_columns(figure, columns))))
            bottom = not figure.shared_x or number + columns >= len(panels)
            _keep_outer_labels(ax, left=number % columns == 0, bottom=bottom)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    _lay_out(canvas)
    return canvas


def _lay_out(canvas: Canvas) -> None:
    """Place the axes once for all formats; a whole draw just for this would take as long as the image itself."""
    engine = canvas.get_layout_engine()
    assert engine is not None, "the style asks for constrained layout"
    engine.execute(canvas)
    canvas.set_layout_engine("none")


def _keep_outer_labels(ax: Axes, *, left: bool, bottom: bool) -> None:
    """Keep labels once per row and column of panels: on the left, and where no panel follows below."""
    ax.tick_params(labelbottom=bottom)
    if not bottom:
        ax.set_xlabel("")
    if not left:
        ax.set_ylabel("")
        for text in ax.texts:
            text.set_visible(text.get_gid() != style.ROW_LABEL)


def _title_columns(figure: Figure, columns: int) -> int:
    """Return how many characters of a title fit over one panel, next to the labels on the left."""
    room = style.WIDTH_INCHES - (ROW_LABEL_INCHES if figure.rows else AXIS_INCHES)
    return int(room / columns / TITLE_CHARACTER_INCHES)


def _panel_inches(figure: Figure, data: pd.DataFrame) -> float:
    title = TITLE_INCHES if figure.panels else 0.0
    if figure.rows is None:
        return figure.panel_inches + title
    names = list(data[figure.rows].drop_duplicates())[: figure.most_rows]
    return max(figure.least_inches, style.rows_height(names, figure.row_inches)) + figure.frame_inches + title


def _save(canvas: Canvas, kind: Kind) -> bytes:
    """Return the image in one format. Call the backends directly, because `savefig` draws everything twice.

    Vector backends leave the canvas at 72 dots per inch, so it is set again for each.
    """
    canvas.set_dpi(DOTS_PER_INCH)
    buffer = io.BytesIO()
    save = getattr(_backend(kind)(canvas), f"print_{kind}")
    with small_fonts(canvas) if kind == "pdf" else nullcontext():
        save(buffer, metadata=dict.fromkeys(OMITTED_METADATA[kind]))
    return buffer.getvalue()


def _backend(kind: Kind) -> Any:
    """Import the backend of one format alone: that of PDFs takes long."""
    if kind == "svg":
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        return FigureCanvasSVG
    if kind == "pdf":
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        return FigureCanvasPdf
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg


def tidy_svg(raw: bytes, figure: Figure, caption: str) -> bytes:
    """Make an SVG fit to be part of a page with others: its own identifiers, a name and a description, no metadata."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(raw)
    _drop(root, "metadata", "style")
    _rename_identifiers(root, figure.name)
    title, description = ElementTree.Element(f"{{{SVG}}}title"), ElementTree.Element(f"{{{SVG}}}desc")
    title.text, description.text = figure.title, caption
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
    if match := _REFERENCE.search(value):
        return match[1]
    return value[1:] if key.endswith("href") and value.startswith("#") else None
