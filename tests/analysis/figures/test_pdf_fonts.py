"""The small fonts of PDFs have the widths and the kerning of the whole font, and texts beyond them keep that."""

from __future__ import annotations

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from analysis.plotting.pdf_fonts import FAMILY, small_fonts

WORDS = "AVATAR To 0.123 \N{MINUS SIGN}5 \N{GREEK SMALL LETTER ALPHA} f\N{LATIN SMALL LETTER U WITH DIAERESIS}r"


@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_a_text_is_as_wide_in_the_small_font_as_in_the_whole_one(weight: str) -> None:
    canvas = Figure()
    text = canvas.text(0, 0, WORDS, fontfamily=FAMILY, fontweight=weight)
    widths = []
    whole = font_manager.findfont(text.get_fontproperties())
    with small_fonts(canvas):
        small = text.get_fontproperties().get_file()
    for path in (whole, small):
        font = FT2Font(str(path))
        font.set_size(9, 72)
        font.set_text(WORDS)
        widths.append(font.get_width_height())
    assert widths[0] == widths[1]
    assert str(small) != str(whole)


def test_a_text_with_other_characters_keeps_the_whole_font_and_all_get_theirs_back() -> None:
    canvas = Figure()
    texts = [canvas.text(0, 0, words) for words in ("plain", "\N{CYRILLIC SMALL LETTER ZHE}")]
    before = [text.get_fontproperties() for text in texts]
    with small_fonts(canvas):
        files = [text.get_fontproperties().get_file() for text in texts]
    assert [file is None for file in files] == [False, True]
    assert [text.get_fontproperties() for text in texts] == before
