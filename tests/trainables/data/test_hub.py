"""Rows of a hub data set become items with ids by part, named classes, and only the parts that have labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.data.dataset import DataError, HubSource, Item
from trainables.data.hub import read_hub


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _repository(folder: Path) -> str:
    """A folder as the hub would give it: one file a split, labels hidden in the last one."""
    folder.mkdir()
    for split, labels in (("train", (0, 1)), ("validation", (1,)), ("test", (-1,))):
        rows = [f'{{"sentence": "{split} {number}", "label": {label}}}' for number, label in enumerate(labels)]
        (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(folder)


def _named(row: Item) -> Item:
    return {"id": row["id"], "text": row["text"], "label": ("no", "yes")[row["label"]]}


def test_rows_become_items_part_by_part(tmp_path: Path) -> None:
    source = HubSource(
        _repository(tmp_path / "data"), columns={"text": "sentence"}, splits=("train", "validation"), item=_named
    )
    reading = read_hub(source, None, {}, offline=True)
    assert reading.items == [
        {"id": "train/0", "text": "train 0", "label": "no"},
        {"id": "train/1", "text": "train 1", "label": "yes"},
        {"id": "validation/0", "text": "validation 0", "label": "yes"},
    ]
    assert reading.parts == {"train": [0, 1], "validation": [2]}


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = HubSource(_repository(tmp_path / "data"))
    with pytest.raises(DataError, match=r"data.columns: no column 'tweet'; there are: sentence, label"):
        read_hub(source, None, {"text": "tweet"}, offline=True)
    assert len(read_hub(source, None, {"text": "sentence"}, offline=True).items) == 4
