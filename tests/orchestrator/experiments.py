"""Small experiments on disk: a tiny random encoder, a few sentences, and files to name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.config.load import load
from orchestrator.config.resolve import ResolvedExperiment, resolve
from orchestrator.config.yaml_file import dump
from tests.tiny import tiny_data, tiny_model

MINIMAL = "experiment: try\ntask: token_classification\ndata: {name: requirements-sample}\nmodels: [minilm-l6]\n"


def write_experiment(folder: Path, **changes: Any) -> Path:
    """An experiment of two tiny systems and two seeds that really runs in this process in about a second."""
    tiny_data(folder / "items.jsonl")
    tiny_model(folder / "model")
    content: dict[str, Any] = {
        "experiment": "tiny",
        "task": "token_classification",
        "data": {"path": "items.jsonl"},
        "split": {"validation": 0.25},
        "models": {"tiny": {"path": "model"}, "slow": {"path": "model", "learning_rate": 1e-5}},
        "seeds": "1-2",
        "train": {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3},
        **changes,
    }
    path = folder / "tiny.yaml"
    path.write_text(dump(content), encoding="utf-8")
    return path


def resolved(folder: Path, **changes: Any) -> ResolvedExperiment:
    """The same, resolved."""
    return resolve(load(str(write_experiment(folder, **changes))))
