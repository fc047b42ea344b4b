"""Small copies of the font of all figures, for PDFs: embedding the whole font takes longer than drawing the figure.

A PDF holds the glyphs that it uses, and finding them in a font with every script and its layout rules is what takes so
long. The copies have Latin and Greek letters and the signs of figures, with the same widths and kerning; a text with
any other character keeps the whole font.
"""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FAMILY = "DejaVu Sans"
CHARACTERS = frozenset(
    map(chr, (*range(0x20, 0x7F), *range(0xA0, 0x250), *range(0x370, 0x400), *range(0x2010, 0x2040)))
)
SIGNS = frozenset(
    "\N{MINUS SIGN}\N{ALMOST EQUAL TO}\N{LESS-THAN OR EQUAL TO}\N{GREATER-THAN OR EQUAL TO}\N{RIGHTWARDS ARROW}"
)
_DROPPED = ("GSUB", "GPOS", "GDEF", "FFTM")  # layout rules, and the notes of a font editor


@contextmanager
def small_fonts(canvas: Canvas) -> Iterator[None]:
    """Draw the texts of this canvas with the small fonts, where they have all characters; afterwards as before."""
    from matplotlib.text import Text

    before = []
    for text in canvas.findobj(Text):
        assert isinstance(text, Text)
        properties = text.get_fontproperties()
        if properties.get_file() is None and CHARACTERS.union(SIGNS).issuperset(text.get_text()):
            before.append((text, properties))
            small = properties.copy()
            small.set_file(str(_small(_is_bold(properties.get_weight()))))
            text.set_fontproperties(small)
    try:
        yield
    finally:
        for text, properties in before:
            text.set_fontproperties(properties)


def _is_bold(weight: str | int) -> bool:
    return weight == "bold" or (isinstance(weight, int) and weight >= 600)


@cache
def _small(bold: bool) -> Path:
    """Write the small font to a temporary file, once per process, and return its path."""
    from fontTools import subset
    from fontTools.ttLib import TTFont
    from matplotlib import font_manager

    whole = font_manager.findfont(font_manager.FontProperties(family=[FAMILY], weight="bold" if bold else "normal"))
    path = Path(_folder()) / f"{'bold' if bold else 'regular'}.ttf"
    with TTFont(str(whole), lazy=True, recalcTimestamp=False) as font:
        for table in _DROPPED:
            if table in font:
                del font[table]
        options = subset.Options(glyph_names=True, recommended_glyphs=True, legacy_kern=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[ord(character) for character in CHARACTERS | SIGNS])
        subsetter.subset(font)
        font.save(path)
    return path


@cache
def _folder() -> str:
    folder = tempfile.TemporaryDirectory(prefix="orchestrate-fonts-")
    atexit.register(folder.cleanup)
    return folder.name
