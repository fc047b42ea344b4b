"""CR_ECSS: 875 requirement sentences of European space standards, each word labelled with one of 18 topics or O."""

from __future__ import annotations

from pathlib import Path

from trainables.data.dataset import Dataset, Reading
from trainables.data.items import read_items

FILE = "CR_ECSS_dataset.json"


def read(location: Path) -> Reading:
    """Read the sentences in order; `location` is the file or its folder. There is no official split."""
    return Reading(read_items(location / FILE if location.is_dir() else location, "json"))


DATASET = Dataset(
    name="cr-ecss",
    description="875 ECSS requirements, words labelled with 18 space-engineering topics (plain names, O outside)",
    task="token_classification",
    licence="MPL-2.0 (strath-ace/smart-onto)",
    files=(FILE,),
    read=read,
)
