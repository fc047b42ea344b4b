"""Final metrics of the stock Trainer beside ours: the same items, settings and seeds, one scorer, in one command.

Equal on both sides: training and validation items, pieces and targets, batch size, epochs, AdamW, linear schedule,
clipping, dropout and the precision of matrix products; the model after the last epoch is scored by our task's `score`
on the whole validation part. Different, and meant to be: the order of items and the random numbers behind one seed, how
dropout masks are drawn, our batches of items of similar length, our padding that takes no part in the loss of a
question, and our attention as plain matrix products on a processor. Each run is a process of one thread, the Trainer's
first, several at a time: scores are compared here, not speeds.

    ORCHESTRATE_DATA=... python -m benchmarks.final_scores mrpc
    ORCHESTRATE_DATA=... python -m benchmarks.final_scores squad-v2 --seeds 42
    python -m benchmarks.final_scores sample --quick     # bundled sentences, seconds, writes nothing
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks import stock_trainer
from benchmarks.machine import environment, write
from orchestrator.api import load_experiment
from trainables.config import RunConfig
from trainables.system import fresh_process
from trainables.system.fresh_process import ProcessFailed
from trainables.training import run

MODEL = "minilm-l6"
Answer = dict[str, Any]  # metrics by name, and seconds of the whole run


@dataclass(frozen=True)
class Case:
    """One data set: its built-in experiment, the settings that its file gives for a laptop, and what is shown."""

    experiment: str
    title: str
    metrics: tuple[str, ...]
    settings: dict[str, Any]


_SHORT = {"train.batch_size": 16, "train.learning_rate": 1e-4}
_ANSWERS = ("answer_f1", "exact_match", "has_answer_f1", "no_answer_f1", "best_answer_f1")
CASES = {
    "mrpc": Case("mrpc", "GLUE MRPC, 4 epochs", ("f1", "accuracy"), {**_SHORT, "train.epochs": 4}),
    "sst2": Case(
        "sst2",
        "GLUE SST-2, 12,000 training items, 2 epochs",
        ("accuracy", "f1"),
        {"split.train_items": 12000, "train.epochs": 2, "train.learning_rate": 1e-4, "train.max_length": 64},
    ),
    "squad-v2": Case(
        "squad-v2-recipes",
        "SQuAD v2, `fit` to `eval`, 2 epochs, windows of 256 pieces",
        _ANSWERS,
        {
            **_SHORT,
            "train.epochs": 2,
            "train.max_length": 256,
            "recipes": {"default": {"length_bucketing": {}}},
            "compare.controls": {},
        },
    ),
    "cr-ecss": Case(
        "cr-ecss", "CR_ECSS, 4 epochs", ("weighted_f1", "micro_f1", "macro_f1"), {"train.early_stopping": None}
    ),
    "sample": Case("quickstart", "bundled sentences", ("weighted_f1",), {}),
}
QUICK = {"train.epochs": 1, "split.train_items": 32}


def configuration(case: Case, seed: int, quick: bool) -> RunConfig:
    """The run that both sides execute."""
    from orchestrator.config.resolve import resolve

    settings = {**case.settings, **(QUICK if quick else {})}
    loaded = load_experiment(case.experiment, models=[MODEL], seeds=[seed], settings=settings)
    return resolve(loaded).run(resolve(loaded).systems[0], seed, None).config


def peer(config: RunConfig) -> dict[str, float]:
    """The metrics of the stock Trainer's model after its last epoch, in the run's precision."""
    return stock_trainer.final_metrics(config, config.model.precision)


def ours(config: RunConfig) -> dict[str, float]:
    """The metrics of our loop's model after its last epoch."""
    outcome = run.run(config)
    if outcome.status not in ("completed", "collapsed"):
        raise SystemExit(f"the run ended as {outcome.status}: {outcome.error}")
    last = outcome.epochs.iloc[-1]
    return {name.removeprefix("metric_"): float(last[name]) for name in last.index if name.startswith("metric_")}


SIDES: dict[str, Callable[[RunConfig], dict[str, float]]] = {"Trainer": peer, "ours": ours}


def side_of(question: dict[str, Any]) -> dict[str, float]:
    """The metrics of one side and seed, in this process."""
    config = configuration(CASES[question["case"]], question["seed"], question["quick"])
    return SIDES[question["side"]](config)


def in_process(case: str, quick: bool, job: tuple[str, int]) -> Answer:
    """The answer of one side and seed in a process of one thread."""
    side, seed = job
    started, question = time.perf_counter(), {"case": case, "side": side, "seed": seed, "quick": quick}
    try:
        metrics = fresh_process.call("benchmarks.final_scores:side_of", question, environment(threads=1))
    except ProcessFailed as error:
        raise SystemExit(f"{side}, seed {seed}: {error}") from error
    answer = {"side": side, "seed": seed, "metrics": metrics, "seconds": time.perf_counter() - started}
    logging.info("%s", json.dumps(answer))
    return answer


def jobs(seeds: Sequence[int]) -> list[tuple[str, int]]:
    """Both sides of a seed together, the Trainer's first."""
    return [(side, seed) for seed in seeds for side in SIDES]


def measure(case: str, seeds: Sequence[int], processes: int, quick: bool) -> list[Answer]:
    """Both sides of every seed, so many processes at a time."""
    with ThreadPoolExecutor(processes) as pool:
        return list(pool.map(partial(in_process, case, quick), jobs(seeds)))


def table(answers: Sequence[Answer], metrics: Sequence[str]) -> list[dict[str, str]]:
    """One row a metric: both sides' scores seed by seed, their means, and the difference beside the noise of seeds."""
    rows = []
    for name in metrics:
        scores = {side: [found["metrics"][name] for found in answers if found["side"] == side] for side in SIDES}
        by_seed = {side: ", ".join(f"{score:.4f}" for score in found) for side, found in scores.items()}
        difference = mean(scores["ours"]) - mean(scores["Trainer"])
        rows.append(
            {
                "metric": name,
                **{f"{side}, seed by seed": text for side, text in by_seed.items()},
                **{f"{side}, mean": f"{mean(found):.4f}" for side, found in scores.items()},
                "ours - Trainer": f"{difference:+.4f}",
                **{f"std over seeds, {side}": _std(found) for side, found in scores.items()},
            }
        )
    return rows


def _std(scores: Sequence[float]) -> str:
    return f"{stdev(scores):.4f}" if len(scores) > 1 else "-"


def publish(name: str, arguments: argparse.Namespace, answers: list[Answer]) -> Path:
    """Write the page of a case."""
    case, seeds = CASES[name], ",".join(map(str, arguments.seeds))
    title = f"Final scores: {case.title}, {MODEL}, ours against the stock Trainer, seeds {seeds}"
    config = configuration(case, arguments.seeds[0], arguments.quick).model_dump(
        mode="json", exclude={"seed": True, "model": {"source"}, "data": {"path"}}
    )
    command = f"python -m benchmarks.final_scores {name} --seeds {seeds}"
    page = f"final_scores_{name.replace('-', '_')}"
    return write(page, title, command, {"settings": config, "runs": answers}, table(answers, case.metrics))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42, 43])
    parser.add_argument("--processes", type=int, default=2, help="runs at a time, of one thread each")
    parser.add_argument("--quick", action="store_true", help="few items, one epoch, nothing written")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    case = CASES[arguments.case]
    answers = measure(arguments.case, arguments.seeds, arguments.processes, arguments.quick)
    if arguments.quick:
        print(json.dumps(table(answers, case.metrics), indent=1))
        return
    print(publish(arguments.case, arguments, answers))


if __name__ == "__main__":
    main()
