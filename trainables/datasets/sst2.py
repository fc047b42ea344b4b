"""SST-2 (Socher et al. 2013, as GLUE has it): phrases and sentences of film reviews, positive or negative."""

from __future__ import annotations

from pathlib import Path

from trainables.data.dataset import DataError, Dataset, HeldOut, HubSource, Item, Reading
from trainables.data.how_read import ReadOptions
from trainables.data.readers import read_rows

TRAIN, DEV, TEST = "train.tsv.gz", "dev.tsv", "test_labelled.tsv"
LABELS = ("negative", "positive")
TSV = ReadOptions(format="tsv", delimiter="\t", quoting="none")  # the files hold quotes literally


def read(location: Path) -> Reading:
    """Read GLUE's parts: 67,349 phrases to train on, 872 sentences for validation."""
    train, validation = _items(location / TRAIN, "train"), _items(location / DEV, "validation")
    count = len(train)
    parts = {"train": range(count), "validation": range(count, count + len(validation))}
    return Reading([*train, *validation], parts)


def read_test(location: Path) -> list[Item]:
    """Read the 1,821 test sentences of the treebank with their labels, which GLUE keeps hidden."""
    return _items(location / TEST, "test")


def _items(path: Path, part: str) -> list[Item]:
    return [
        {"id": f"{part}/{number}", "text": row.get("sentence"), "label": _label(path, line, row.get("label"))}
        for number, (line, row) in enumerate(read_rows(path, options=TSV))
    ]


def _label(path: Path, line: int, value: str | None) -> str:
    if value not in ("0", "1"):
        raise DataError(f"{path}: row {line}: label must be 0 or 1, got {value!r}")
    return LABELS[int(value)]


def _from_hub(row: Item) -> Item:
    return {"id": row["id"], "text": row["sentence"], "label": row["label"]}


DATASET = Dataset(
    name="sst2",
    description="68,221 phrases of film reviews, positive or negative (GLUE SST-2)",
    task="sequence_classification",
    licence="research use; cite Socher et al. 2013",
    files=(TRAIN, DEV),
    read=read,
    aliases=("glue-sst2", "SST-2"),
    test=HeldOut((TEST,), read_test),
    hub=HubSource("nyu-mll/glue:sst2", splits=("train", "validation"), item=_from_hub),
)
