"""Measures every verb that only reads on 10,000 records of two systems, made through `Store`: seconds and peak memory.

The second table is of a sweep that goes on: as many of the records as a sweep leaves single are not compacted yet.

Usage: python -m benchmarks.many_records [RECORDS] [WORDS]; writes benchmarks/results/many_records.json and .md.
WORDS are the predicted words of each record. Each verb is a process of its own, as a person would start it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.yaml_text import dump
from benchmarks.machine import write as write_page
from orchestrator.commands._execution import FEWEST, SHARE
from orchestrator.config.load import load
from orchestrator.config.resolve import grid_runs, resolve
from orchestrator.storage import Store
from orchestrator.storage.cells import cell_columns
from tests.tiny import tiny_data, tiny_model
from trainables.training.outcome import Outcome

RECORDS, WORDS = 10_000, 50
REPETITIONS = 2
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss, code]))
"""  # a small process of its own, because one that is started begins with the peak memory of whoever started it


def write_experiment(folder: Path, records: int) -> Path:
    """Two tiny models on made-up sentences, with as many seeds as `records` need."""
    experiment = {
        "experiment": "many",
        "task": "token_classification",
        "data": {"path": str(tiny_data(folder / "items.jsonl")), "format": "jsonl"},
        "models": {name: {"path": str(tiny_model(folder / name, seed=seed))} for seed, name in enumerate(("a", "b"))},
        "seeds": f"0-{records // 2 - 1}",
        "train": {"epochs": 2, "batch_size": 8, "max_length": 32},
    }
    path = folder / "many.yaml"
    path.write_text(dump(experiment), encoding="utf-8")
    return path


def made_up_outcome(generator: np.random.Generator, words: int) -> Outcome:
    """What a run of two epochs leaves behind, with predictions of so many words."""
    score = round(float(generator.normal(0.8, 0.01)), 6)
    epochs = pd.DataFrame(
        {
            "epoch": [1, 2],
            "step": [10, 20],
            "train_loss": [1.0, 0.5],
            "seconds": [0.1, 0.1],
            "metric_macro_f1": [score / 2, score],
        }
    )
    right = generator.random(words) < score
    predictions = pd.DataFrame(
        {
            "split": "validation",
            "item": [f"s{word // 10}" for word in range(words)],
            "cluster": None,
            "position": [word % 10 for word in range(words)],
            "gold": "A",
            "predicted": np.where(right, "A", "B"),
            "correct": right,
        }
    )
    columns = {"score": score, "score_split": "validation", "metric_macro_f1": score, "epochs": 2, "best_epoch": 2}
    return Outcome("completed", None, columns, epochs, predictions)


def make(folder: Path, records: int, words: int) -> tuple[Path, Path, float]:
    """A sweep of `records` runs before its last compaction; returns its experiment file, its results, and the seconds
    that the last compaction but one took."""
    generator = np.random.default_rng(0)
    path, out = write_experiment(folder, records), folder / "results"
    resolved = resolve(load(str(path)))
    runs = grid_runs(resolved, records)
    store = Store.open(out)
    store.write_experiment(resolved.experiment.model_dump(mode="json"), [cell_columns(run) for run in runs])
    single = max(FEWEST, records // SHARE) - 1
    for number, run in enumerate(runs):
        if number == records - 2 * single:
            store.compact()
        if number == records - single:
            started = time.process_time()
            store.compact()
            seconds = time.process_time() - started
        store.commit(run, made_up_outcome(generator, words))
    store.append_log(runs[-1].run_id, "made up\n")
    return path, out, seconds


def verbs(path: Path, out: Path) -> dict[str, list[str]]:
    """What a person types, by how the table calls it."""
    cells = json.loads((out / "cells.json").read_bytes())["cells"]
    return {
        "status": ["status", str(out)],
        "results": ["results", str(out)],
        "results --json": ["results", str(out), "--json"],
        "logs": ["logs", cells[-1]["run_id"], "--out", str(out)],
        "plan": ["plan", str(path), "--out", str(out)],
        "sweep --no-analyze, nothing to do": ["sweep", str(path), "--out", str(out), "--no-analyze"],
        "analyze (draws and writes eleven figures)": ["analyze", str(out)],
    }


def measured(arguments: list[str]) -> tuple[float, float, float, int]:
    """Seconds by the clock and of the processor, peak memory in MB and exit code of one process."""
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "orchestrator", *arguments]
    seconds, processor_seconds, peak_kib, code = json.loads(subprocess.run(command, capture_output=True).stdout)
    return seconds, processor_seconds, peak_kib * 1024 / 1e6, code


def measure(folder: Path, records: int, words: int) -> list[dict[str, Any]]:
    """A row a verb."""
    path, out, seconds = make(folder, records, words)
    commands = verbs(path, out)
    going_on = ("status", "results", "results --json", "logs", "plan")
    rows = [row("while the sweep goes on", name, commands[name]) for name in going_on]
    compaction = {"verb": "compacting, each time", "seconds": "-", "processor seconds": round(seconds, 2)}
    rows.append({"results": "while the sweep goes on", **compaction, "peak memory, MB": "-"})
    Store.open(out).compact()
    return rows + [row("finished", name, arguments) for name, arguments in commands.items()]


def row(results: str, name: str, arguments: list[str]) -> dict[str, Any]:
    """Of the repetitions the fastest and the largest."""
    found = [measured(arguments) for _ in range(REPETITIONS)]
    assert {code for *_, code in found} == {0}, (name, found)
    seconds, processor_seconds, peaks, _ = zip(*found, strict=True)
    return {
        "results": results,
        "verb": name,
        "seconds": round(min(seconds), 2),
        "processor seconds": round(min(processor_seconds), 2),
        "peak memory, MB": round(max(peaks)),
    }


def main() -> None:
    """One line a verb."""
    records, words = (int(value) for value in (sys.argv[1:3] if len(sys.argv) > 2 else (RECORDS, WORDS)))
    with tempfile.TemporaryDirectory() as place:
        rows = measure(Path(place), records, words)
    title = f"Verbs that read, on {records:,} records of two systems with {words} predicted words each"
    command = f"python -m benchmarks.many_records {records} {words}"
    print(write_page("many_records", title, command, {"rows": rows}, rows).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
