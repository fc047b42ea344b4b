"""Runs of tiny models of every family that classify tiny texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tiny import Family, tiny_model
from tests.trainables.tasks.texts import tiny_texts
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.models import resolve

SMALL = {"hidden_size": 16, "hidden_sizes": [16]}


def text_data(folder: Path, count: int = 24) -> Path:
    """The items of `tiny_texts` as a JSONL file, with a pair of texts each, so that segments are exercised too."""
    path = folder / f"texts-{count}.jsonl"
    rows = ({**item, "text_pair": "which topic ?"} for item in tiny_texts(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def model_of(folder: Path, name: str) -> ModelConfig:
    """A tiny model by family; `bert+mean` has mean pooling, `feed-forward` is our own baseline."""
    if name == "feed-forward":
        return resolve(name, {"overrides": SMALL, "tokenizer": {"from": "words", "minimum": 1}})
    family: Any = name.partition("+")[0]
    source = folder / family
    if not source.exists():
        tiny_model(source, family)
    return ModelConfig(name=name, source=str(source), pooling="mean" if "+" in name else None)


def text_run(
    folder: Path, name: Family | str = "bert", *, seed: int = 1, variants: Mapping[str, Any] | None = None, **train: Any
) -> RunConfig:
    """Two epochs of sequence classification on 24 pairs of texts."""
    settings = {"epochs": 2, "batch_size": 6, "learning_rate": 1e-2, "dropout": 0.0, "max_length": 64, **train}
    return RunConfig(
        task="sequence_classification",
        data=DataConfig(path=str(text_data(folder))),
        model=model_of(folder, name),
        variants=dict(variants or {}),
        train=TrainConfig(**settings),
        split=SplitConfig(validation=0.25),
        seed=seed,
    )
