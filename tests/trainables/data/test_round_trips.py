"""What pandas, datasets and pyarrow write is read back as it was, whatever the texts hold."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.how_read import HowRead, ReadOptions
from trainables.data.items import items_of

NAMES = ("neg", "pos", "a,b", 'so "so"')
TEXTS = st.text(alphabet="ab1 ü🙂\",;|\t\n#'\\[]{}:", max_size=12).filter(
    lambda text: not {"\t", "\n"} <= set(text)  # in a TSV file, such a cell can look like two rows with quotes as text
)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from(NAMES)), min_size=1, max_size=8)
Rows = list[tuple[str, str]]
QUOTINGS: tuple[Any, ...] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)


def _table(separator: str, quoting: Any, index: bool) -> Callable[[Rows, Path], None]:
    def write(rows: Rows, path: Path) -> None:
        frame = pd.DataFrame(rows, columns=["text", "label"])
        frame.to_csv(path, sep=separator, quoting=quoting, index=index)

    return write


def _json(**options: Any) -> Callable[[Rows, Path], None]:
    return lambda rows, path: pd.DataFrame(rows, columns=["text", "label"]).to_json(path, **options)


def _parquet_with_classes(rows: Rows, path: Path) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(NAMES))})
    columns = {"text": [text for text, _ in rows], "label": [NAMES.index(label) for _, label in rows]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(path)


def _categorical(rows: Rows, path: Path) -> None:
    pd.DataFrame(rows, columns=["text", "label"]).astype({"label": "category"}).to_feather(path)


WRITERS: dict[str, tuple[str, Callable[[Rows, Path], None]]] = {
    f"{name} {mark!r} {quoting} {index}": (name, _table(mark, quoting, index))
    for name, mark in (("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"))
    for quoting in QUOTINGS
    for index in (False, True)
}
WRITERS |= {f"json {orient}": ("a.json", _json(orient=orient)) for orient in ("records", "columns", "split", "index")}
WRITERS |= {f"lines {name}": (name, _json(orient="records", lines=True)) for name in ("a.jsonl", "a.json")}
WRITERS |= {"parquet": ("a.parquet", _parquet_with_classes), "feather": ("a.feather", _categorical)}


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_what_others_write_is_read_back(writer: str, rows: Rows) -> None:
    name, write = WRITERS[writer]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(rows, path)
        items = items_of(path, ReadOptions(fields=("text", "label")), HowRead(str(path)))
    assert [(item["text"], item["label"]) for item in items] == rows
