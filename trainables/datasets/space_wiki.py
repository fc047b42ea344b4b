"""Space wiki: 7,863 paragraphs of 255 Wikipedia articles on space flight and electronics, for domain adaptation."""

from __future__ import annotations

from pathlib import Path

from trainables.data.dataset import Dataset, Reading
from trainables.data.items import read_items

FILE = "space_wiki.jsonl.gz"


def read(location: Path) -> Reading:
    """Read the paragraphs in order; those of one article form a cluster. There is no official split."""
    path = location / FILE if location.is_dir() else location
    return Reading(read_items(path, "jsonl", {"cluster": "doc"}))


DATASET = Dataset(
    name="space-wiki",
    description="7,863 paragraphs (563,555 words) of 255 Wikipedia articles on space flight, electronics and physics",
    task="masked_lm",
    licence="CC BY-SA 3.0 (Wikipedia)",
    files=(FILE,),
    read=read,
)
