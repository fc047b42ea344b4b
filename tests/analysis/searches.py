"""A search as it could have been: trials of any systems in a space of four parameters, and their epochs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.tables.normalize import normalize
from analysis.tables.read import Results
from analysis.tables.schema import EPOCHS as EPOCHS_SCHEMA
from analysis.tables.schema import PREDICTIONS, RUNS, sha256, to_parquet_bytes, to_table
from analysis.tables.trials import trials_table
from tests.analysis.frames import write_compacted

EPOCHS = 9
RATE, SIZE, DECAY, RANK = "train.learning_rate", "train.batch_size", "train.weight_decay", "recipes.cheap.lora.rank"
BLOCK = {
    "parameters": {
        RATE: {"loguniform": [1e-5, 1e-3]},
        SIZE: {"choice": [8, 16, 32]},
        DECAY: {"uniform": [0.0, 0.1]},
        RANK: {"integer": [4, 32]},
    },
    "trials": 24, "hours": None, "searcher": "random", "scheduler": "asha", "reduction_factor": 3, "min_epochs": 1,
    "seed": 0,
}  # fmt: skip
DEFAULT = {RATE: 3e-5, SIZE: 8, DECAY: 0.01}


def experiment(block: Mapping[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """The resolved experiment file of that search; `block` replaces keys of its `search`."""
    return {
        "experiment": "searched",
        "question": "Which settings suit each encoder?",
        "compare": {"metric": "weighted_f1", "direction": "maximize"},
        "train": {"epochs": EPOCHS, "learning_rate": 3e-5},
        "search": {**BLOCK, **(block or {})},
        **keys,
    }


@cache
def tables(systems: tuple[str, ...], number: int = 24, scheduler: str = "asha") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials, round after round over the systems, and their epochs; every other system has the conditional parameter.

    Trial 4 of each system diverges, and the fifth of the first one failed, its last one is pending.
    """
    trials, epochs = [], []
    seen: dict[tuple[str, int], list[float]] = {}
    for round_ in range(number):
        for place, system in enumerate(systems):
            row, curve = _trial(place, system, round_, seen if scheduler == "asha" else None)
            if place == 0 and round_ in (5, number - 1):
                row |= {"status": "failed" if round_ == 5 else "pending", "score": None, "epochs": 2, "seconds": 22.0}
                curve = curve[:2]
            trials.append(row)
            epochs += curve
    written = trials_table(trials).to_pandas().assign(metric="weighted_f1", score_split="validation")
    return written, to_table("epochs", epochs).to_pandas()


def _trial(
    place: int, system: str, round_: int, seen: dict[tuple[str, int], list[float]] | None
) -> tuple[dict[str, Any], list[Any]]:
    drawn = _parameters(place, round_)
    curve = _curve(place, round_, drawn)
    diverged = round_ == 3
    last = 2 if diverged else EPOCHS if seen is None else _stop(curve, system, seen)
    run_id = f"trial-{round_ + 1}-of-{place}"
    status = "diverged" if diverged else "completed" if last == EPOCHS else "pruned"
    epochs = [
        {"run_id": run_id, "epoch": number, "train_loss": 1.0 / number, "metric_weighted_f1": value}
        for number, value in enumerate(curve[:last], start=1)
    ]
    row = {
        "search": "block-1", "trial": round_ + 1, "run_id": run_id, "system": system, "model": system,
        "recipe": "cheap" if place % 2 else "default", "seed": 42,
        "proposed_by": "default" if round_ == 0 else "random", "parameters": drawn, "status": status,
        "score": max(curve[:last]) if status == "completed" else None, "best_score": max(curve[:last]),
        "epochs": last, "seconds": 11.0 * last,
    }  # fmt: skip
    return row, epochs


def _parameters(place: int, round_: int) -> dict[str, Any]:
    generator = np.random.default_rng([place, round_])
    drawn: dict[str, Any] = {
        RATE: float(10 ** generator.uniform(-5, -3)),
        SIZE: int(generator.choice([8, 16, 32])),
        DECAY: float(generator.uniform(0, 0.1)),
    }
    return (DEFAULT if round_ == 0 else drawn) | ({RANK: int(generator.integers(4, 33))} if place % 2 else {})


def _curve(place: int, round_: int, drawn: Mapping[str, Any]) -> list[float]:
    """Highest at a learning rate of 2e-4; far above it a trial hardly learns."""
    noise = np.random.default_rng([place, round_, 1]).normal(0, 0.004, EPOCHS)
    away = np.log10(drawn[RATE] / 2e-4)
    top = (0.9 - 0.015 * (place % 7) - 0.12 * away**2 - 0.01 * np.log2(drawn[SIZE] / 8)) if away < 0.55 else 0.3
    return [float(top * (1 - 0.6 * 0.5**number) + noise[number]) for number in range(EPOCHS)]


def _stop(curve: Sequence[float], system: str, seen: dict[tuple[str, int], list[float]]) -> int:
    """Stopped at a rung (1, 3) unless it is in the best third of those that its system had there before."""
    for rung in (1, 3):
        others = seen.setdefault((system, rung), [])
        others.append(curve[rung - 1])
        if curve[rung - 1] < np.quantile(others, 2 / 3):
            return rung
    return EPOCHS


def alone(systems: Sequence[str], number: int = 24, scheduler: str = "asha", **block: Any) -> Results:
    """A results directory that holds trials only."""
    runs, _ = normalize(RUNS.empty_table().to_pandas(), "searched")
    trials, epochs = tables(tuple(systems), number, scheduler)
    return Results(
        runs,
        EPOCHS_SCHEMA.empty_table().to_pandas(),
        PREDICTIONS.empty_table().to_pandas(),
        experiment({"scheduler": scheduler, **block}),
        (),
        ("results/searched",),
        trials,
        epochs,
    )


def write(folder: Path, systems: Sequence[str], compared: Sequence[Mapping[str, Any]] = (), number: int = 12) -> Path:
    """A results directory as a search leaves it: compacted tables with trials and `compared` runs, and the file."""
    trials, epochs = tables(tuple(systems), number)
    ended = trials[trials["status"] != "pending"].drop(columns=["metric", "score_split"])
    fixed = [name for name in ended.columns if name in RUNS.names and name != "parameters"]
    of_trials = ended[fixed].assign(stage="search", metric="weighted_f1", score_split="validation").to_dict("records")
    write_compacted(folder, [*of_trials, *compared])
    own = to_table(
        "epochs", pd.concat([epochs, pd.DataFrame([{"run_id": row["run_id"], "epoch": 1} for row in compared])])
    )
    _replace(folder, "epochs.parquet", to_parquet_bytes(own))
    rows = trials.drop(columns=["metric", "score_split", *(name for name in trials if name.startswith("parameter_"))])
    records = [
        {key: None if pd.isna(value) else value for key, value in row.items()} for row in rows.to_dict("records")
    ]
    (folder / "trials.parquet").write_bytes(to_parquet_bytes(trials_table(records)))
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment()))
    return folder


def _replace(folder: Path, name: str, content: bytes) -> None:
    """Another table in the place of one, known to the manifest."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tables"][name]["sha256"] = sha256(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
