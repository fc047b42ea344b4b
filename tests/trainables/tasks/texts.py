"""Small texts, pairs and label sets that a tiny model can learn."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from tests.tiny import SENTENCES, Family, tiny_model
from trainables.config import ModelConfig
from trainables.modeling.pretrained import load_tokenizer

TOPICS = ("power", "data", "thermal")


@functools.cache
def tiny_tokenizer(family: Family = "bert") -> Any:
    """The tokenizer of a tiny model of a family."""
    with tempfile.TemporaryDirectory() as folder:
        return load_tokenizer(ModelConfig(name="tiny", source=str(tiny_model(Path(folder), family))))


def tiny_texts(count: int = 24) -> list[dict[str, Any]]:
    """Sentences whose class follows from their words."""
    rows = [SENTENCES[number % 3] for number in range(count)]
    return [{"id": number, "text": text, "label": TOPICS[number % 3]} for number, text in enumerate(rows)]


def tiny_pairs(count: int = 24) -> list[dict[str, Any]]:
    """Pairs of a sentence and itself (`same`), or of two sentences (`other`)."""
    return [
        {
            "id": number,
            "text": SENTENCES[number % 8],
            "text_pair": SENTENCES[(number + number % 2) % 8],
            "label": ("same", "other")[number % 2],
        }
        for number in range(count)
    ]


def tiny_label_sets(count: int = 24) -> list[dict[str, Any]]:
    """Sentences with none, one or two labels that follow from their words."""
    sets: list[list[str]] = [["power"], ["data", "power"], [], ["data"]]
    return [
        {"id": number, "text": SENTENCES[number % 4], "labels": sets[number % 4], "cluster": f"page {number % 2}"}
        for number in range(count)
    ]
