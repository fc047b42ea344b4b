"""Measures `analyze` on 10,000 runs without item predictions: 100 systems with 100 seeds each, read, compared, written.

Usage: python -m benchmarks.many_runs [SYSTEMS] [SEEDS]; writes benchmarks/results/many_runs.json and .md.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.analyze import analyze_results
from analysis.report.write import tables, write
from analysis.tables.read import read
from analysis.tables.schema import to_parquet_bytes, to_table
from benchmarks.machine import write as write_page


def make(folder: Path, systems: int, seeds: int) -> None:
    """The compacted runs table of a store, as a sweep leaves it."""
    generator = np.random.default_rng(0)
    of_seed = generator.normal(0, 0.005, size=seeds)
    cells = [(system, seed) for system in range(systems) for seed in range(seeds)]
    rows = pd.DataFrame(cells, columns=["place", "seed"])
    scores = 0.8 + 0.001 * rows["place"] + of_seed[rows["seed"]] + generator.normal(0, 0.005, size=len(rows))
    names = rows["place"].map("model-{:03d}".format)
    frame = pd.DataFrame(
        {
            "run_id": names + "-" + rows["seed"].astype(str),
            "settings_id": names,
            "stage": "fine-tune",
            "task": "token_classification",
            "dataset": "made-up",
            "dataset_fingerprint": "0" * 64,
            "model": names,
            "recipe": "default",
            "system": names,
            "seed": rows["seed"],
            "split_seed": 42,
            "status": "completed",
            "attempt": 1,
            "metric": "accuracy",
            "score": scores.round(6),
        }
    )
    folder.mkdir(parents=True)
    (folder / "runs.parquet").write_bytes(to_parquet_bytes(to_table("runs", frame)))


def measure(systems: int, seeds: int) -> list[dict[str, Any]]:
    """Seconds and peak memory by step."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        make(Path(place) / "results", systems, seeds)
        results = None
        found = None
        for step in ("read", "compare", "tables", "tables, figures and report"):
            started = time.perf_counter()
            if step == "read":
                results = read([Path(place) / "results"])
            elif step == "compare":
                assert results is not None
                found = analyze_results(results)
            else:
                assert found is not None
                tables(found) if step == "tables" else write(found, Path(place) / "out")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            seconds = round(time.perf_counter() - started, 2)
            rows.append({"step": step, "seconds": seconds, "peak memory so far, GiB": round(peak, 2)})
    return rows


def main() -> None:
    """One line a step."""
    systems, seeds = (int(value) for value in (sys.argv[1:3] if len(sys.argv) > 2 else (100, 100)))
    rows = measure(systems, seeds)
    pairs = systems * (systems - 1) // 2
    title = f"analyze on {systems * seeds:,} runs: {systems} systems x {seeds} seeds, {pairs:,} pairs"
    command = f"python -m benchmarks.many_runs {systems} {seeds}"
    print(write_page("many_runs", title, command, {"rows": rows}, rows).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
