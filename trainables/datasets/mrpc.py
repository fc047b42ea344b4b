"""MRPC (Dolan and Brockett 2005, as GLUE has it): pairs of news sentences, paraphrases or not.

The files are those of the original release, which begin with a byte-order mark and contain quotes literally. GLUE's
validation part consists of the pairs of the training file that `dev_ids.tsv` lists. GLUE hides the labels of the test
pairs; the original release has them, so that part is read only on request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainables.data.dataset import DataError, Dataset, HeldOut, HubSource, Item, Reading
from trainables.data.how_read import ReadOptions
from trainables.data.readers import read_rows

TRAIN, TEST, DEV_IDS = "msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "dev_ids.tsv"
LABELS = ("not_paraphrase", "paraphrase")
_COLUMNS = ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String")
_HUB_LABELS = {"not_equivalent": LABELS[0], "equivalent": LABELS[1]}
TSV = ReadOptions(format="tsv", delimiter="\t", quoting="none")  # the files hold quotes literally


def read(location: Path) -> Reading:
    """Read GLUE's parts: 3,668 pairs to train on, 408 for validation."""
    items = list(_items(location / TRAIN))
    dev = set(_dev_ids(location / DEV_IDS))
    unknown = dev - {item["id"] for item in items}
    if unknown:
        raise DataError(f"{location / DEV_IDS}: {TRAIN} has no pair {min(unknown)}")
    positions: dict[bool, list[int]] = {True: [], False: []}
    for index, item in enumerate(items):
        positions[item["id"] in dev].append(index)
    return Reading(items, {"train": positions[False], "validation": positions[True]})


def read_test(location: Path) -> list[Item]:
    """Read the 1,725 test pairs of the original release, with their labels."""
    return list(_items(location / TEST))


def _items(path: Path) -> Iterator[Item]:
    for line, row in read_rows(path, options=TSV):
        absent = [name for name in _COLUMNS if name not in row]
        if absent:
            raise DataError(f"{path}: row {line}: no column {absent[0]!r}; there are: {', '.join(row)}")
        quality, first, second, text, text_pair = (row[name] for name in _COLUMNS)
        if quality not in ("0", "1"):
            raise DataError(f"{path}: row {line}: Quality must be 0 or 1, got {quality!r}")
        yield {"id": f"{first}-{second}", "text": text, "text_pair": text_pair, "label": LABELS[int(quality)]}


def _dev_ids(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(f"{path}: row {number}: expected two ids separated by a tab, got {line!r}")
        yield "-".join(cells)


def _from_hub(row: Item) -> Item:
    label = _HUB_LABELS.get(row["label"], row["label"])
    return {"id": row["id"], "text": row["sentence1"], "text_pair": row["sentence2"], "label": label}


DATASET = Dataset(
    name="mrpc",
    description="4,076 pairs of news sentences, paraphrases or not (GLUE MRPC)",
    task="sequence_classification",
    licence="Microsoft Research shared source: non-commercial research",
    files=(TRAIN, DEV_IDS),
    read=read,
    aliases=("glue-mrpc", "MRPC"),
    test=HeldOut((TEST,), read_test),
    hub=HubSource("nyu-mll/glue:mrpc", splits=("train", "validation"), item=_from_hub),
)
