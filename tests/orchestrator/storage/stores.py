"""Runs and outcomes with known content, to fill results directories with."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.tables.schema import Kind, read_parquet
from orchestrator.config.run_spec import RunSpec
from orchestrator.storage import Store
from trainables.config import DataConfig, ModelConfig, RunConfig
from trainables.training.outcome import Outcome

EXPERIMENT = {"experiment": "demo", "models": {"small": {}, "large": {}}, "train": {"learning_rate": 3e-05}}


def make_run(seed: int = 0, model: str = "small", **settings: Any) -> RunSpec:
    """One cell of a grid."""
    config = RunConfig(
        task="token_classification",
        data=DataConfig(name="demo-data", fingerprint="f" * 64),
        model=ModelConfig(name=model, source=f"owner/{model}", revision="c" * 40),
        seed=seed,
        **settings,
    )
    return RunSpec(experiment="demo", system=f"{model}/default", recipe="default", config=config, metric="weighted_f1")


def make_outcome(score: float = 0.5, num_words: int = 5, **columns: Any) -> Outcome:
    """A completed run with two epochs and a few predicted words."""
    epochs = pd.DataFrame(
        {
            "epoch": [1, 2],
            "step": [10, 20],
            "train_loss": [1.0, 0.5],
            "seconds": [0.1, 0.1],
            "metric_weighted_f1": [score / 2, score],
        }
    )
    words = range(num_words)
    predictions = pd.DataFrame(
        {
            "split": "validation",
            "item": [f"s{word // 3}" for word in words],
            "cluster": None,
            "position": [word % 3 for word in words],
            "gold": "A",
            "predicted": ["A" if word % 2 else "B" for word in words],
            "correct": [bool(word % 2) for word in words],
        }
    )
    known = {"score": score, "score_split": "validation", "metric_weighted_f1": score, "epochs": 2, **columns}
    return Outcome("completed", None, known, epochs, predictions)


def fill(store: Store, num_runs: int) -> list[RunSpec]:
    """Commit runs with seeds 0, 1, ... and scores 0, 0.01, ..."""
    runs = [make_run(seed) for seed in range(num_runs)]
    for run in runs:
        assert store.commit(run, make_outcome(run.config.seed / 100, num_words=run.config.seed % 4))
    return runs


def cells(runs: list[RunSpec]) -> list[dict[str, Any]]:
    """The cells of these runs, as a sweep writes them."""
    return [
        {
            "run_id": run.run_id,
            "system": run.system,
            "seed": run.config.seed,
            "split_seed": run.config.split_seed,
            "fold": run.config.fold,
        }
        for run in runs
    ]


def read_table(store: Store, kind: Kind) -> pd.DataFrame:
    """A compacted table."""
    return read_parquet(store.root.read(f"{kind}.parquet"), kind=kind).to_pandas()
