"""Tables as HTML for notebooks: what `_repr_html_` of the values that the Python API returns is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

SHOWN = 60  # as many rows as pandas shows


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], more: int = 0) -> str:
    """Rows under their headings, everything escaped; of a long table the first rows and how many follow.

    `more`: rows that the caller has left out already.
    """
    lines = [_line("th", columns), *(_line("td", map(_cell, row)) for row in rows[:SHOWN])]
    more += max(0, len(rows) - SHOWN)
    return f"<table>{''.join(lines)}</table>" + (paragraph(f"and {more} more rows") if more else "")


def paragraph(text: str) -> str:
    """Text of any origin, escaped."""
    return f"<p>{escape(text)}</p>"


def paragraphs(texts: Iterable[str]) -> str:
    """A paragraph a text."""
    return "".join(map(paragraph, texts))


def _line(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
