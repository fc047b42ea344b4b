"""Every table on the page about `analyze` is read as the page says: two systems, and the same scores in each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.tables.read import read
from tests.architecture.layers import ROOT

PAGE = (ROOT / "docs" / "analyze.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^```csv\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_has_tables() -> None:
    assert len(TABLES) == 7


@pytest.mark.parametrize("text", TABLES)
def test_a_table_on_the_page_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    runs = read([tmp_path / "x.csv"]).runs
    assert sorted(zip(runs["system"], runs["seed"].astype(int), strict=True)) == [
        ("bert", 1),
        ("bert", 2),
        ("roberta", 1),
        ("roberta", 2),
    ]
    assert runs["score"].notna().sum() == (3 if "FAILED" in text else 4)
