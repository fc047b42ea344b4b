"""Runs of tiny models on tiny data, for tests of the loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tiny import Family, tiny_data, tiny_model
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.training.control_points import Request, RunProgress

SETTINGS: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "dropout": 0.0, "max_length": 64}


def tiny_run(
    folder: Path,
    *,
    family: Family = "bert",
    count: int = 24,
    seed: int = 1,
    model: Mapping[str, Any] | None = None,
    **changes: Any,
) -> RunConfig:
    """A run of a tiny model; `changes` are settings of `train`, or `split` and `variants`."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / family
    if not source.exists():
        tiny_model(source, family)
    split = changes.pop("split", SplitConfig(validation=0.25))
    variants = changes.pop("variants", {})
    tokenizer = {"add_prefix_space": True} if family in ("roberta", "modernbert") else {}
    return RunConfig(
        task="token_classification",
        data=DataConfig(path=str(tiny_data(folder / f"data-{count}.jsonl", count))),
        model=ModelConfig(**{"name": "tiny", "source": str(source), "tokenizer": tokenizer, **(model or {})}),
        train=TrainConfig(**{**SETTINGS, **changes}),
        split=split,
        variants=variants,
        seed=seed,
    )


class StopAt:
    """Asks for a stop (or for `request`) at the first control point from a step on."""

    def __init__(self, step: int, request: Request = "stop") -> None:
        self.step = step
        self.request = request
        self.rows: list[Mapping[str, Any]] = []

    def poll(self, progress: RunProgress) -> Request:
        """The request once the step is reached."""
        return self.request if progress.step >= self.step else "continue"

    def report(self, row: Mapping[str, Any]) -> None:
        """Keep the rows."""
        self.rows.append(row)
