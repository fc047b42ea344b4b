"""Training speed and score of a sweep against the stock Hugging Face Trainer, on the same items, in one run.

The peer trains on the whole machine with dynamic padding, a process a run; ours is `orchestrate sweep` with one-thread
lanes that execute several runs each, cold first run included. Both get the same split ids, tokens, labels, batch size,
schedule and epochs, and the same function scores both. Peer first, ours next, repeated. Speeds are of the training part
alone (evaluation and set-up excluded); ours add up over the lanes.

    ORCHESTRATE_DATA=... python benchmarks/training_throughput.py
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.machine import environment, spread, write
from orchestrator.api import load_experiment
from orchestrator.config.run_spec import RunSpec
from trainables.system import fresh_process

EXPERIMENT, MODEL = "cr-ecss", "minilm-l6"


def resolved_run(learning_rate: float, epochs: int, seed: int) -> RunSpec:
    """The run of the built-in experiment that both sides execute."""
    from orchestrator.config.resolve import grid_runs, resolve

    settings = {"train.learning_rate": learning_rate, "train.epochs": epochs}
    loaded = load_experiment(
        EXPERIMENT, models=[MODEL], seeds=[seed], settings={**settings, "train.early_stopping": None}
    )
    return grid_runs(resolve(loaded))[0]


def run_peer(arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    """Fine-tune with the stock Trainer in a process of its own: samples/s of training, score of the best epoch."""
    question = {"learning_rate": arguments.learning_rate, "epochs": arguments.epochs, "seed": seed}
    answer: dict[str, float] = fresh_process.call(
        "benchmarks.training_throughput:peer", question, environment(threads=None)
    )
    return answer


def peer(question: dict[str, Any]) -> dict[str, float]:
    """The stock Trainer on the run's items; prints nothing but progress to stderr."""
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from trainables import registry
    from trainables.data.features import Ragged
    from trainables.data.load import load_corpus
    from trainables.data.splits import split_for
    from trainables.training.token_cache import load_features

    config = resolved_run(**question).config
    task = registry.load("task", config.task)
    corpus = load_corpus(config.data)
    labels = task.label_space(corpus.items)
    features = load_features(task, corpus, config.model, labels, config.train.max_length)
    split = split_for(task, corpus, config.split, config.split_seed)
    rows = {part: features.take(features.of_items(split.part(part))) for part in ("train", "validation")}
    torch.manual_seed(question["seed"])
    model = AutoModelForTokenClassification.from_pretrained(config.model.source, num_labels=len(labels))
    tokenizer = AutoTokenizer.from_pretrained(config.model.source)
    seconds: list[float] = []
    scores: list[float] = []

    class Clock(TrainerCallback):
        """Times epochs of training alone."""

        def on_epoch_begin(self, *unused: Any, **others: Any) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, *unused: Any, **others: Any) -> None:
            seconds.append(time.perf_counter() - self.started)

    def metrics(prediction: Any) -> dict[str, float]:
        labelled = np.argmax(prediction.predictions, axis=-1)
        lengths = rows["validation"].lengths
        outputs = {"label": Ragged.from_rows([labelled[i, :n] for i, n in enumerate(lengths)], np.int64)}
        table = task.predictions(corpus.items, rows["validation"], outputs, labels)
        scores.append(task.score(table)[task.primary_metric])
        return {"score": scores[-1]}

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            seed=question["seed"],
            num_train_epochs=config.train.epochs,
            per_device_train_batch_size=config.train.batch_size,
            per_device_eval_batch_size=32,
            learning_rate=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
            lr_scheduler_type="linear",
            max_grad_norm=config.train.clip,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        trainer = Trainer(
            model=model,
            args=settings,
            train_dataset=_rows(rows["train"]),
            eval_dataset=_rows(rows["validation"]),
            data_collator=DataCollatorForTokenClassification(tokenizer),
            compute_metrics=metrics,
            callbacks=[Clock()],
        )
        started = time.perf_counter()
        trainer.train()
        total = time.perf_counter() - started
    items = len(rows["train"]) * config.train.epochs
    return {
        "samples_per_second": items / sum(seconds),
        "score": max(scores),
        "seconds_per_run": total,
        "threads": torch.get_num_threads(),
    }


def _rows(features: Any) -> list[dict[str, list[int]]]:
    return [
        {name: column.row(index).tolist() for name, column in features.columns.items()}
        for index in range(len(features))
    ]


def run_ours(arguments: argparse.Namespace, seeds: list[int], lanes: int) -> dict[str, Any]:
    """`orchestrate sweep` of the same run with these seeds."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = ",".join(map(str, seeds))
        command = [sys.executable, "-m", "orchestrator", "sweep", EXPERIMENT, "--models", MODEL, "--seeds", numbers]
        command += ["--set", f"train.learning_rate={arguments.learning_rate}"]
        command += ["--set", f"train.epochs={arguments.epochs}", "--set", "train.early_stopping=null"]
        subprocess.run([*command, "--lanes", str(lanes), "--out", folder, "--no-analyze", "--quiet"], check=True)
        runs = pd.read_parquet(Path(folder) / "runs.parquet")
    assert len(runs) == len(seeds), "every run has a record"
    wall = (runs["finished_at"].max() - runs["started_at"].min()).total_seconds()
    in_order = runs.sort_values("started_at")["samples_per_second"]
    return {
        "samples_per_second": lanes * len(runs) / float((1 / runs["samples_per_second"]).sum()),
        "samples_per_second_of_a_lane": in_order.tolist(),
        "scores": runs["score"].tolist(),
        "seconds_per_run": wall / len(runs),
        "threads": int(runs["cpu_threads"].iloc[0]),
    }


def _shared(arguments: argparse.Namespace) -> list[str]:
    numbers = ("learning_rate", "epochs", "runs_per_lane", "lanes")
    return [text for name in numbers for text in (f"--{name.replace('_', '-')}", str(getattr(arguments, name)))]


def measure(arguments: argparse.Namespace) -> Path:
    """Peer and ours in turn; the ratio is taken round by round."""
    rounds = []
    for number in range(arguments.rounds):
        count = arguments.lanes * arguments.runs_per_lane
        seeds = [arguments.first_seed + number * count + place for place in range(count)]
        theirs = run_peer(arguments, seeds[0])
        ours = run_ours(arguments, seeds, arguments.lanes)
        ratio = ours["samples_per_second"] / theirs["samples_per_second"]
        whole = theirs["seconds_per_run"] / ours["seconds_per_run"]
        rounds.append({"peer": theirs, "ours": ours, "training_ratio": ratio, "whole_run_ratio": whole})
        logging.info("round %d: %s", number + 1, json.dumps(rounds[-1]))
    table = [
        {
            "round": number,
            "peer samples/s": f"{found['peer']['samples_per_second']:.1f}",
            "ours samples/s": f"{found['ours']['samples_per_second']:.1f}",
            "training ratio": f"{found['training_ratio']:.2f}",
            "whole-run ratio": f"{found['whole_run_ratio']:.2f}",
            "peer score": f"{found['peer']['score']:.3f}",
            "our scores": ", ".join(f"{score:.3f}" for score in found["ours"]["scores"]),
        }
        for number, found in enumerate(rounds, start=1)
    ]
    summary = {
        "rounds": rounds,
        "training_ratio": spread([found["training_ratio"] for found in rounds]),
        "whole_run_ratio": spread([found["whole_run_ratio"] for found in rounds]),
    }
    name = f"{arguments.name}"
    command = f"python -m benchmarks.training_throughput {' '.join(_shared(arguments))}"
    return write(
        name, f"Training throughput: {EXPERIMENT}, {MODEL}, against the stock Trainer", command, summary, table
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--runs-per-lane", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--first-seed", type=int, default=42)
    parser.add_argument("--name", default="training_throughput")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    print(measure(arguments))


if __name__ == "__main__":
    main()
