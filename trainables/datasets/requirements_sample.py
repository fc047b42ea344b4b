"""Requirements sample: 400 synthetic requirements of a spacecraft project, so that a first sweep needs no download."""

from __future__ import annotations

from pathlib import Path

from trainables.data.dataset import Dataset, Reading
from trainables.data.items import read_items

FILE = "requirements_sample.jsonl"


def read(location: Path) -> Reading:
    """Read the sentences in order; `location` is the file or its folder. There is no official split."""
    return Reading(read_items(location / FILE if location.is_dir() else location, "jsonl"))


DATASET = Dataset(
    name="requirements-sample",
    description="400 synthetic space requirements, words labelled with 7 subsystems (plain names, O outside)",
    task="token_classification",
    licence="MIT, as this project (written for it)",
    files=(FILE,),
    read=read,
    folder=Path(__file__).parent,
    synthetic=True,
    notes=("synthetic data: the ranking of systems here says nothing about real requirements",),
)
