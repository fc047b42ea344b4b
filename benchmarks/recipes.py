"""Training speed on sentence pairs (MRPC) and on paragraphs (SQuAD v2) against the stock Trainer, in one run.

The peer trains on the whole machine; ours are two processes of one thread each, as the two lanes of a sweep: their
speeds add up. Both train twice over the same items, and the second time is measured: nothing warms up in it. Peer
first, ours next, repeated. The loss on the same validation items says whether both learn alike.

The share of the ceiling is what training on the real pieces needs, over what the machine's best matrix product does in
the same precision (the peer's share is of that of the fastest precision here, which it could have used). The share of
the roofline also counts memory traffic; see benchmarks/roofline.py.

    ORCHESTRATE_DATA=... python -m benchmarks.recipes mrpc
    ORCHESTRATE_DATA=... python -m benchmarks.recipes squad-v2
    python -m benchmarks.recipes sample --quick       # bundled sentences, seconds instead of minutes, writes nothing
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import roofline, stock_trainer
from benchmarks.machine import environment, spread, write
from orchestrator.api import load_experiment
from trainables.config import RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.system import fresh_process
from trainables.system.fast_dropout import quick_masks
from trainables.system.fresh_process import ProcessFailed
from trainables.system.hardware import this_machine
from trainables.system.memory import keep_freed_memory
from trainables.tools.profile import matrix_product_rate, operations_per_token, spaced, wait
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import evaluate
from trainables.training.run import training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache

MODEL, LANES, EPOCHS = "minilm-l6", 2, 2
ACCOUNTED_BATCHES = 3


@dataclass(frozen=True)
class Case:
    """One data set: its built-in experiment, the settings that a laptop takes, and items to train on."""

    experiment: str
    title: str
    items: int
    settings: dict[str, Any]


CASES = {
    "mrpc": Case("mrpc", "GLUE MRPC, batch 16", 640, {"train.batch_size": 16, "train.learning_rate": 1e-4}),
    "squad-v2": Case("squad-v2-recipes", "SQuAD v2, batch 8 x 384", 240, {"train.learning_rate": 1e-4}),
    "sample": Case("quickstart", "bundled sentences, batch 16", 64, {}),
}


def configuration(case: Case, seed: int, items: int) -> RunConfig:
    """The run that both sides execute."""
    from orchestrator.config.resolve import resolve

    settings = {
        **case.settings,
        "train.epochs": EPOCHS,
        "train.schedule": "linear",
        "split.train_items": items,
        "recipes": {"default": {"length_bucketing": {}}},
        "compare.controls": {},
    }
    loaded = load_experiment(case.experiment, models=[MODEL], seeds=[seed], settings=settings)
    return resolve(loaded).systems[0].config


def peer(config: RunConfig) -> dict[str, float]:
    """The stock Trainer, and the ceiling of the threads it had."""
    found = stock_trainer.train(config)
    best = "bf16" if this_machine().supports("bf16") else "fp32"
    return {**found, "ceiling": matrix_product_rate(ProcessGroup.current().device, best)}


def ours(config: RunConfig, edge: int | None = None) -> dict[str, float]:
    """The loop in this process: speed of its last epoch, loss, and the least time that the last epoch could take."""
    device, group = ProcessGroup.current().device, ProcessGroup.current()
    keep_freed_memory()
    prepared = prepare(config, device, RunCache())
    training = training_for(config, prepared, group)
    training.model.train()
    with quick_masks(device):
        for _ in range(config.train.epochs):
            batches = training.batches()
            items, tokens, started = training.totals.items, training.totals.tokens, time.perf_counter()
            for batch in batches:
                training.step(batch)
            wait(device)
            seconds = time.perf_counter() - started
            training.position.epoch += 1
        items, tokens = training.totals.items - items, training.totals.tokens - tokens
        loss = _validation_loss(config, prepared, group)
        training.model.train()
        limits = roofline.ceilings(device, config.model.precision, edge)
        some = spaced(batches, training.train.lengths, ACCOUNTED_BATCHES)
        needed = operations_per_token(training, some)
        least = roofline.least_seconds(training, some, limits)
    return {
        "samples_per_second": items / seconds,
        "tokens_per_second": tokens / seconds,
        "step_seconds": seconds / len(batches),
        "validation_loss": loss,
        "threads": torch.get_num_threads(),
        "operations_per_token": needed,
        "least_seconds_per_token": least / sum(int(training.train.lengths[batch].sum()) for batch in some),
        "ceiling": limits.operations_per_second,
        "cache_gb_per_second": limits.memory_rate(1e6) / 1e9,
        "memory_gb_per_second": limits.memory_rate(1e9) / 1e9,
    }


def _validation_loss(config: RunConfig, prepared: Any, group: ProcessGroup) -> float:
    part = prepared.parts["validation"].features
    rows = np.arange(min(stock_trainer.SCORED_FEATURES, len(part)))
    loader = BatchLoader(part.take(rows), group.device)
    return evaluate(prepared.model, prepared.task, loader, group, config.model.precision).loss


def compared(rounds: list[dict[str, Any]]) -> list[dict[str, float]]:
    """A round: speed of all lanes together over the peer's, and the shares of ceiling and roofline.

    Ceilings are the best that any round saw: one that was measured while something else ran would flatter.
    """
    lanes = [lane for found in rounds for lane in found["ours"]]
    ceiling, whole = max(lane["ceiling"] for lane in lanes), max(found["peer"]["ceiling"] for found in rounds)
    needed, least = lanes[0]["operations_per_token"], min(lane["least_seconds_per_token"] for lane in lanes)
    answers = []
    for found in rounds:
        tokens = float(np.mean([lane["tokens_per_second"] for lane in found["ours"]]))
        speed = sum(lane["samples_per_second"] for lane in found["ours"])
        answers.append(
            {
                "ratio": speed / found["peer"]["samples_per_second"],
                "peer_share": needed * found["peer"]["tokens_per_second"] / whole,
                "our_share": needed * tokens / ceiling,
                "our_share_of_roofline": least * tokens,
            }
        )
    return answers


def _processes(side: str, case: str, seeds: list[int], arguments: argparse.Namespace) -> list[dict[str, float]]:
    """The answers of one process a seed, all at the same time; ours get one thread each."""
    threads = 1 if side == "ours" else None

    def answer(seed: int) -> dict[str, float]:
        question = {"case": case, "side": side, "seed": seed, "quick": arguments.quick}
        found: dict[str, float] = fresh_process.call("benchmarks.recipes:side_of", question, environment(threads))
        return found

    with ThreadPoolExecutor(len(seeds)) as pool:
        try:
            return list(pool.map(answer, seeds))
        except ProcessFailed as error:
            raise SystemExit(f"{side}: {error}") from error


def side_of(question: dict[str, Any]) -> dict[str, float]:
    """The answer of one side and seed, in this process."""
    case = CASES[question["case"]]
    config = configuration(case, question["seed"], 32 if question["quick"] else case.items)
    return {"peer": peer, "ours": ours}[question["side"]](config)


def measure(case: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Rounds of peer and ours in turn."""
    rounds = []
    for number in range(1 if arguments.quick else arguments.rounds):
        seed = 42 + LANES * number
        (theirs,) = _processes("peer", case, [seed], arguments)
        lanes = _processes("ours", case, [seed + lane for lane in range(LANES)], arguments)
        rounds.append({"peer": theirs, "ours": lanes})
        logging.info("%s round %d: %s", case, number + 1, json.dumps(rounds[-1]))
    return [{**found, **answer} for found, answer in zip(rounds, compared(rounds), strict=True)]


def table(rounds: list[dict[str, Any]]) -> list[dict[str, str]]:
    """One row a round."""
    return [
        {
            "round": str(number),
            "Trainer samples/s": f"{found['peer']['samples_per_second']:.1f}",
            "ours samples/s": " + ".join(f"{lane['samples_per_second']:.1f}" for lane in found["ours"]),
            "ratio": f"{found['ratio']:.2f}",
            "Trainer loss": f"{found['peer']['validation_loss']:.3f}",
            "our losses": ", ".join(f"{lane['validation_loss']:.3f}" for lane in found["ours"]),
            "Trainer, share of ceiling": f"{found['peer_share']:.0%}",
            "ours": f"{found['our_share']:.0%}",
            "ours, share of roofline": f"{found['our_share_of_roofline']:.0%}",
            "lanes' matrix product, GFLOP/s": ", ".join(f"{lane['ceiling'] / 1e9:.0f}" for lane in found["ours"]),
        }
        for number, found in enumerate(rounds, start=1)
    ]


def publish(case: str, command: str, rounds: list[dict[str, Any]]) -> Path:
    """Write the page of a case."""
    names = ("ratio", "peer_share", "our_share", "our_share_of_roofline")
    summary = {"rounds": rounds, **{name: spread([found[name] for found in rounds]) for name in names}}
    lanes = f"{LANES} one-thread lanes against the stock Trainer on the whole machine"
    title = f"Training speed: {CASES[case].title}, {MODEL}, {lanes}"
    return write(f"recipes_{case.replace('-', '_')}", title, command, summary, table(rounds))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few items, one round, nothing written")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    rounds = measure(arguments.case, arguments)
    if arguments.quick:
        print(json.dumps(table(rounds), indent=1))
        return
    command = f"python -m benchmarks.recipes {arguments.case} --rounds {arguments.rounds}"
    print(publish(arguments.case, command, rounds))


if __name__ == "__main__":
    main()
