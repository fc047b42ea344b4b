"""Parquet and Arrow files of every writer: classes by their names, parts of saved folders, plain values."""

from __future__ import annotations

import decimal
import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from trainables.data.dataset import DataError, Item
from trainables.data.how_read import HIDDEN_PART, HowRead, ReadOptions
from trainables.data.items import items_of
from trainables.data.readers import read_rows

CLASSES, TAGGING = ("text", "label"), ("words", "labels")
TAGS = ["O", "B-LOC", "I-LOC"]


def _items(path: Path, fields: tuple[str, ...] = CLASSES, **options: Any) -> tuple[list[Item], HowRead]:
    how = HowRead(str(path))
    return items_of(path, ReadOptions(fields=fields, **options), how), how


def _classes() -> datasets.Dataset:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    return datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)


EXPECTED = [
    {"text": "a", "label": "pos", "id": 1},
    {"text": "b", "label": "neg", "id": 2},
    {"text": "c", "label": -1, "id": 3},
]


def test_classes_of_a_parquet_file_have_their_names_and_hidden_ones_stay(tmp_path: Path) -> None:
    _classes().to_parquet(tmp_path / "a.parquet")
    items, how = _items(tmp_path / "a.parquet")
    assert items == EXPECTED
    assert how.remarks == ["classes have the names that the schema gives them: label"]
    assert how.changed


def test_tags_of_a_list_column_have_their_names(tmp_path: Path) -> None:
    feature = {
        "tokens": datasets.List(datasets.Value("string")),
        "ner_tags": datasets.List(datasets.ClassLabel(names=TAGS)),
    }
    rows = {"tokens": [["in", "New", "York"], ["no"]], "ner_tags": [[0, 1, 2], [0]]}
    datasets.Dataset.from_dict(rows, features=datasets.Features(feature)).to_parquet(tmp_path / "a.parquet")
    items, _ = _items(tmp_path / "a.parquet", TAGGING, columns={"words": "tokens", "labels": "ner_tags"})
    assert items == [
        {"words": ["in", "New", "York"], "labels": ["O", "B-LOC", "I-LOC"], "id": 1},
        {"words": ["no"], "labels": ["O"], "id": 2},
    ]


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": {"names": TAGS, "_type": "ClassLabel"}, "_type": "Sequence"},
        [{"names": TAGS, "_type": "ClassLabel"}],
        {"feature": {"names": TAGS, "_type": "ClassLabel"}, "length": -1, "_type": "LargeList"},
    ],
)
def test_tags_written_by_older_versions_have_their_names(tmp_path: Path, feature: Any) -> None:
    noted = {"info": {"features": {"words": {"dtype": "string"}, "labels": feature}}}
    table = pa.table({"words": [["New", "York"]], "labels": [[1, 2]]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(noted)}), tmp_path / "a.parquet")
    assert _items(tmp_path / "a.parquet", TAGGING)[0][0]["labels"] == ["B-LOC", "I-LOC"]


def test_a_class_column_that_the_task_does_not_use_changes_nothing(tmp_path: Path) -> None:
    frame = _classes().add_column("topic", ["x", "y", "z"])
    frame.to_parquet(tmp_path / "a.parquet")
    items, how = _items(tmp_path / "a.parquet", columns={"label": "topic"})
    assert [item["label"] for item in items] == ["x", "y", "z"]
    assert not how.changed


def test_a_class_without_a_name_is_refused_with_its_row(tmp_path: Path) -> None:
    noted = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    table = pa.table({"text": ["a", "b"], "label": [0, 2]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(noted)}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"row 2: class 2 has no name: the schema names 0 to 1"):
        _items(tmp_path / "a.parquet")


@pytest.mark.parametrize("kind", ["file", "stream", "feather"])
def test_arrow_files(tmp_path: Path, kind: str) -> None:
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    path = tmp_path / ("a.feather" if kind == "feather" else "a.arrow")
    if kind == "feather":
        pyarrow.feather.write_feather(table, path)
    else:
        opener = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with opener(path, table.schema) as sink:
            sink.write_table(table)
    assert _items(path)[0] == [{"text": "a", "label": "x", "id": 1}, {"text": "b", "label": "y", "id": 2}]


def test_a_folder_that_save_to_disk_wrote_is_one_file(tmp_path: Path) -> None:
    _classes().save_to_disk(tmp_path / "saved", num_shards=2)
    items, how = _items(tmp_path / "saved")
    assert items == EXPECTED
    assert how.format == "arrow"


def test_a_folder_of_parts_gives_each_row_its_part(tmp_path: Path) -> None:
    parts = datasets.DatasetDict({"train": _classes(), "test": _classes().select([1])})
    parts.save_to_disk(tmp_path / "saved")
    how = HowRead("")
    rows = list(read_rows(tmp_path / "saved", options=ReadOptions(fields=CLASSES), how=how))
    assert rows == [
        (1, {"text": "a", "label": "pos", HIDDEN_PART: "train"}),
        (2, {"text": "b", "label": "neg", HIDDEN_PART: "train"}),
        (3, {"text": "c", "label": -1, HIDDEN_PART: "train"}),
        (4, {"text": "b", "label": "neg", HIDDEN_PART: "test"}),
    ]
    assert how.part == HIDDEN_PART


def test_a_saved_folder_may_not_name_files_elsewhere(tmp_path: Path) -> None:
    _classes().save_to_disk(tmp_path / "saved")
    state = tmp_path / "saved/state.json"
    state.write_text(json.dumps({"_data_files": [{"filename": "../../secret.arrow"}]}))
    with pytest.raises(DataError, match="names no data file beside it"):
        _items(tmp_path / "saved")
    (tmp_path / "plain").mkdir()
    with pytest.raises(DataError, match="a folder that `save_to_disk` did not write; give the file in it"):
        _items(tmp_path / "plain")


def test_values_of_other_types_become_plain(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([decimal.Decimal(7), decimal.Decimal(8)], pa.decimal128(9, 0)),
            "text": pa.array([b"a", "ü".encode()], pa.binary()),
            "label": pa.array(["x", "y"], pa.large_string()).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert _items(tmp_path / "a.parquet")[0] == [
        {"id": 7, "text": "a", "label": "x"},
        {"id": 8, "text": "ü", "label": "y"},
    ]


def test_a_categorical_of_pandas_is_read_as_its_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical(["pos", "neg"])})
    frame.to_parquet(tmp_path / "a.parquet")
    assert [item["label"] for item in _items(tmp_path / "a.parquet")[0]] == list(frame["label"])


def test_a_parquet_or_arrow_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"] * 5000, "label": [str(number) for number in range(5000)]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as sink:
        sink.write_table(table)
    for name in ("a.parquet", "a.arrow"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-500])
        with pytest.raises(DataError, match=rf"{name}: not a readable \w+ file: .*cut short"):
            _items(path)
