"""What a run costs beyond its own training and evaluation: warm lanes and a trainer a trial, side by side.

The peer is Ray's documented pattern: a Tune function that builds a TorchTrainer for each trial; its train function
loads the model and does not train, so all of its time is overhead. Ours is `orchestrate sweep` on one lane with runs
of one optimizer step; their own training and evaluation time is taken off.

    ORCHESTRATE_DATA=... python -m benchmarks.run_overhead
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import spread, write
from trainables.models import resolve

MODEL = "minilm-l6"


def peer(trials: int) -> list[float]:
    """Seconds of each trial of Ray's documented pattern, one after another, cluster start excluded."""
    import ray
    from ray import tune
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    source = resolve(MODEL, {}).source

    def load_only(config: dict[str, Any]) -> None:
        from transformers import AutoModelForTokenClassification

        AutoModelForTokenClassification.from_pretrained(config["source"], num_labels=19)

    def trial(config: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = {"source": source, "number": config["number"]}
            scaling = ScalingConfig(num_workers=1)
            TorchTrainer(
                load_only, train_loop_config=settings, scaling_config=scaling, run_config=RunConfig(storage_path=folder)
            ).fit()

    ray.init(include_dashboard=False, log_to_driver=False)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(trial, {"cpu": 0.01}),
            param_space={"number": tune.grid_search(list(range(trials)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
    total = time.perf_counter() - started
    ray.shutdown()
    assert not results.errors, results.errors
    return [total / trials]


def ours(runs: int) -> dict[str, float]:
    """Seconds between the ends of successive runs on one warm lane, less their own training and evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "orchestrator", "sweep", "cr-ecss", "--models", MODEL]
        command += ["--seeds", f"1-{runs}", "--limit", "40", "--set", "train.epochs=1", "--set", "train.batch_size=40"]
        subprocess.run([*command, "--lanes", "1", "--out", folder, "--no-analyze", "--quiet"], check=False)
        table = pd.read_parquet(Path(folder) / "runs.parquet").sort_values("finished_at")
    assert len(table) == runs, "every run has a record"
    gaps = table["finished_at"].diff().dt.total_seconds().iloc[1:]
    own = (table["seconds_train"] + table["seconds_eval"]).iloc[1:]
    return spread((gaps.to_numpy() - own.to_numpy()).tolist())


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peer-trials", type=int, default=4)
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    rounds = []
    for _ in range(arguments.rounds):
        theirs = spread(peer(arguments.peer_trials))
        rounds.append({"peer": theirs, "ours": ours(arguments.runs)})
        logging.info("%s", rounds[-1])
    table = [
        {
            "round": number,
            "trainer a trial, s a run": f"{found['peer']['median']:.2f}",
            "warm lane, s a run (median)": f"{found['ours']['median']:.3f}",
            "warm lane, largest": f"{found['ours']['max']:.3f}",
            "ratio": f"{found['peer']['median'] / found['ours']['median']:.0f}",
        }
        for number, found in enumerate(rounds, start=1)
    ]
    title = f"What a run costs beyond its own training and evaluation ({MODEL})"
    print(write("run_overhead", title, "python -m benchmarks.run_overhead", {"rounds": rounds}, table))


if __name__ == "__main__":
    main()
