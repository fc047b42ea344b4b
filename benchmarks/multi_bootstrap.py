"""Measures the headline test: 3 systems x 10 seeds x 12,000 items x 10,000 resamples, its wall time and peak memory.

Usage: python -m benchmarks.multi_bootstrap; writes benchmarks/results/multi_bootstrap.json and .md.
"""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np
import pandas as pd

from analysis import registry
from analysis.analyze import analyze_results
from analysis.config import CompareConfig
from analysis.tables.normalize import normalize
from analysis.tables.read import Results
from benchmarks.machine import write

SYSTEMS, SEEDS, ITEMS, RESAMPLES, CLASSES = 3, 10, 12_000, 10_000, 19


def study(metric: str, classes: int) -> Results:
    """Made-up predictions in which a system misses its own fifth of the items more often than the others do."""
    generator = np.random.default_rng(0)
    names = np.array([f"class {number}" for number in range(classes)])
    gold = generator.integers(0, classes, size=ITEMS)
    items = np.array([f"item {number:05d}" for number in range(ITEMS)])
    runs, said = [], []
    for system in range(SYSTEMS):
        hard = generator.random(ITEMS) < 0.2
        for seed in range(SEEDS):
            missed = generator.random(ITEMS) < np.where(hard, 0.5, 0.1)
            answer = np.where(missed, generator.integers(0, classes, size=ITEMS), gold)
            run_id = f"{system}-{seed}"
            score = registry.load("metric", metric).score(names[gold].tolist(), names[answer].tolist())
            runs.append({"run_id": run_id, "system": f"s{system}", "seed": seed, "score": score, "metric": metric})
            columns: dict[str, Any] = {"item": items, "gold": names[gold], "predicted": names[answer]}
            said.append(pd.DataFrame(columns).assign(run_id=run_id, split="validation", position=0, cluster=None))
    frame, _ = normalize(pd.DataFrame(runs), "benchmark")
    return Results(frame, pd.DataFrame(), pd.concat(said, ignore_index=True), None, (), ("benchmark",))


def measure(metric: str, classes: int) -> dict[str, Any]:
    """One analysis from predictions to verdicts."""
    results = study(metric, classes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    found = analyze_results(results, options=CompareConfig(resamples=RESAMPLES))
    seconds = time.perf_counter() - started
    assert set(found.comparisons["primary_method"]) == {"multi_bootstrap"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "metric": metric,
        "classes": classes,
        "seconds": round(seconds, 1),
        "peak memory, GiB": round(peak / 2**20, 2),
        "of which the study itself, GiB": round(before / 2**20, 2),
    }


def main() -> None:
    """Accuracy-like first, then the metrics that are no mean over items."""
    rows = [measure("accuracy", 2), measure("macro_f1", CLASSES), measure("weighted_f1", CLASSES)]
    size = f"{SYSTEMS} systems x {SEEDS} seeds x {ITEMS:,} items x {RESAMPLES:,} resamples"
    page = write(
        "multi_bootstrap", f"Multi-bootstrap: {size}", "python -m benchmarks.multi_bootstrap", {"rows": rows}, rows
    )
    print(page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
