"""SemEval-2018 task 1 E-c (Mohammad et al. 2018): English tweets, each with any of eleven emotions or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainables.data.dataset import DataError, Dataset, HeldOut, Item, Reading
from trainables.data.how_read import ReadOptions
from trainables.data.items import marked
from trainables.data.readers import read_rows

TRAIN, DEV, TEST = "2018-E-c-En-train.txt", "2018-E-c-En-dev.txt", "2018-E-c-En-test-gold.txt"
TSV = ReadOptions(format="tsv", delimiter="\t", quoting="none")  # the files hold quotes literally


def read(location: Path) -> Reading:
    """Read the official parts: 6,838 tweets to train on, 886 for validation."""
    train, validation = list(_items(location / TRAIN)), list(_items(location / DEV))
    count = len(train)
    parts = {"train": range(count), "validation": range(count, count + len(validation))}
    return Reading([*train, *validation], parts)


def read_test(location: Path) -> list[Item]:
    """Read the 3,259 tweets of the competition's test part, with the labels published after it."""
    return list(_items(location / TEST))


def _items(path: Path) -> Iterator[Item]:
    """Yield the tweets; columns besides ID and Tweet are the labels, 0 or 1, and the files do not quote."""
    for line, row in read_rows(path, options=TSV):
        if "ID" not in row or "Tweet" not in row:
            raise DataError(f"{path}: row {line}: needs the columns ID and Tweet; there are: {', '.join(row)}")
        try:
            labels = marked(row, (name for name in row if name not in ("ID", "Tweet")))
        except ValueError as error:
            raise DataError(f"{path}: row {line}: {error}") from error
        yield {"id": row["ID"], "text": row["Tweet"], "labels": labels}


DATASET = Dataset(
    name="emotions",
    description="10,983 English tweets with any of 11 emotions (SemEval-2018 task 1 E-c)",
    task="multi_label_classification",
    licence="research use, no redistribution (SemEval-2018)",
    files=(TRAIN, DEV),
    read=read,
    aliases=("emotion-semeval2018", "2018-E-c-En"),
    test=HeldOut((TEST,), read_test, by_default=True),
)
