"""Measures what a results directory of many runs costs: commit, listing, first compaction, one with a single new run.

Usage: python -m benchmarks.compaction [NUM_RUNS] [DIRECTORY]; every run has 20 predicted words.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.storage import Store
from tests.orchestrator.storage.stores import make_outcome, make_run


def measure(num_runs: int, directory: str) -> dict[str, float]:
    """Wall seconds by step, in a new folder under `directory`."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        store = Store.open(Path(place) / "results")
        steps: dict[str, Callable[[], object]] = {
            "commit all": lambda: [
                store.commit(make_run(seed), make_outcome(num_words=20)) for seed in range(num_runs)
            ],
            "list, never compacted": store.recorded,
            "compact all": store.compact,
            "list": store.recorded,
            "compact, nothing new": store.compact,
            "commit one": lambda: store.commit(make_run(num_runs), make_outcome(num_words=20)),
            "compact, one new": store.compact,
            "verify all": store.verify,
        }
        return {name: _seconds(step) for name, step in steps.items()}


def _seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def main() -> None:
    """Print a line a step."""
    num_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    directory = sys.argv[2] if len(sys.argv) > 2 else tempfile.gettempdir()
    for name, seconds in measure(num_runs, directory).items():
        print(f"{name:<24}{seconds:10.3f} s for {num_runs} runs")


if __name__ == "__main__":
    main()
