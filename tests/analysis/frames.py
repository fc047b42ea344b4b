"""Small result tables that tests write and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.tables.schema import Kind, sha256, to_parquet_bytes, to_table

Scores = Mapping[str, Sequence[float | None]]


def rows(scores: Scores, first_seed: int = 42, **columns: Any) -> list[dict[str, Any]]:
    """Rows of the runs table: one run a score, seeds counted from `first_seed`."""
    return [
        {
            "run_id": f"{system}-{seed}",
            "settings_id": f"settings-{system}",
            "stage": "fine-tune",
            "system": system,
            "seed": seed,
            "split_seed": 42,
            "status": "failed" if score is None else "completed",
            "score": score,
            "metric": "weighted_f1",
            **columns,
        }
        for system, series in scores.items()
        for seed, score in enumerate(series, start=first_seed)
    ]


def csv(path: Path, scores: Scores, **columns: Any) -> Path:
    """A CSV as another tool would write it: system, seed, score and the given columns."""
    table = pd.DataFrame(rows(scores))[["system", "seed", "score"]].assign(**columns)
    table.to_csv(path, index=False)
    return path


def write_run(folder: Path, row: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]] = ()) -> None:
    """One run's directory as a worker leaves it: three Parquet files and a record of their hashes."""
    tables: dict[Kind, bytes] = {
        "epochs": to_parquet_bytes(to_table("epochs", [{"run_id": row["run_id"], "epoch": 1}, *epochs])),
        "predictions": to_parquet_bytes(to_table("predictions", [_prediction(row["run_id"])])),
        "runs": to_parquet_bytes(to_table("runs", [row])),
    }
    own = folder / "runs" / row["run_id"]
    own.mkdir(parents=True)
    names = {kind: f"{kind}-{sha256(data)[:16]}.parquet" for kind, data in tables.items()} | {"runs": "run.parquet"}
    files = {names[kind]: {"sha256": sha256(data), "bytes": len(data)} for kind, data in tables.items()}
    for kind, data in tables.items():
        (own / names[kind]).write_bytes(data)
    (own / f"record-{sha256(tables['runs'])[:16]}.json").write_text(json.dumps({"files": files}))


def _prediction(run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "split": "validation", "item": "1", "position": 0, "gold": "O", "predicted": "O"}


def write_compacted(folder: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """The compacted tables and their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "runs.parquet": to_parquet_bytes(to_table("runs", runs)),
        "epochs.parquet": to_parquet_bytes(to_table("epochs", [{"run_id": r["run_id"], "epoch": 1} for r in runs])),
        "predictions.parquet": to_parquet_bytes(to_table("predictions", [_prediction(r["run_id"]) for r in runs])),
    }
    for name, content in data.items():
        (folder / name).write_bytes(content)
    tables = {name: {"sha256": sha256(content)} for name, content in data.items()}
    (folder / "manifest.json").write_text(json.dumps({"tables": tables, "previous": {}}))
