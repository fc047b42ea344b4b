"""Several seeds of one system as one model with stacked parameters, against one process a seed, and one after another.

Each side trains the same number of models on the same made-up sentences, every model with its own weights, order and
dropout masks; losses after a few steps say whether the sides compute the same. `own order` are the batches that each
seed has today; in `same widths` all seeds meet batches of about the same length at the same step, so that the fused
batch is hardly padded. On a processor the parallel processes are one-thread lanes, as many as there are cores. Samples
a processor second say what a side costs even where other programs run; threads that only wait count as working.

    python -m benchmarks.fused_seeds                # MiniLM size on this machine's processor, about four minutes
    python -m benchmarks.fused_seeds --gpu          # RoBERTa-base size on a GPU
    python -m benchmarks.fused_seeds --tiny         # seconds, writes nothing
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.machine import spread, write
from benchmarks.seed_trainers import (
    BATCH_SIZE,
    ORDERS,
    SIZES,
    Alone,
    Fused,
    batches,
    differences_of_losses,
    model,
    orders,
    sentences,
)
from trainables.config import Precision
from trainables.system.fast_dropout import quick_masks
from trainables.system.hardware import this_machine
from trainables.system.memory import keep_freed_memory
from trainables.tools.profile import wait

WARMUP = 4


@dataclass(frozen=True)
class Case:
    """What one process trains: `side` is fused or alone, `seeds` its models, `order` how batches follow each other."""

    side: str
    size: str
    seeds: tuple[int, ...]
    order: str
    precision: Precision
    steps: int
    threads: int
    gpu: bool = False


def train(case: Case) -> dict[str, float]:
    """Items a second of this process's models together, computed pieces per real one, and memory."""
    size, device = SIZES[case.size], torch.device("cuda" if case.gpu else "cpu")
    torch.set_num_threads(case.threads)
    keep_freed_memory()
    items = sentences(size.vocabulary)
    found = orders(np.array([len(item) for item in items]), case.seeds, case.order, WARMUP + case.steps)
    steps = list(batches(items, found, device))
    modules = [model(size, seed) for seed in case.seeds]
    trainer = (
        Fused(modules, case.seeds, case.precision, device)
        if case.side == "fused"
        else Alone(modules[0], case.precision, device)
    )
    with quick_masks(device):
        for batch in steps[:WARMUP]:
            trainer.step(batch)
        wait(device)
        _meet()
        started, worked = time.perf_counter(), time.process_time()
        for batch in steps[WARMUP:]:
            trainer.step(batch)
        wait(device)
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    measured = [batch.ids for batch in steps[WARMUP:]]
    samples = BATCH_SIZE * case.steps * len(case.seeds)
    return {
        "samples_per_second": samples / seconds,
        "samples_per_processor_second": samples / worked,
        "padding": sum(ids.numel() for ids in measured) / sum(int((ids != 0).sum()) for ids in measured),
        "memory_gib": _memory_gib(device),
    }


def _meet() -> None:
    """Tell whoever started this process that it is warm, and wait until all are."""
    print("ready", flush=True)
    sys.stdin.readline()


def _memory_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return float(psutil.Process().memory_info().rss) / 2**30


def in_processes(cases: Sequence[Case]) -> dict[str, float]:
    """The cases at the same time, one process each: speeds and memory add up.

    They are started by hand, as all have to be warm before any of them is measured.
    """
    processes = []
    for case in cases:
        command = [sys.executable, "-m", "benchmarks.fused_seeds", "--case", json.dumps(asdict(case))]
        environment = {**os.environ, "OMP_NUM_THREADS": str(case.threads)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        processes.append(subprocess.Popen(command, text=True, env=environment, **pipes))  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n", "the process ended before it trained"
    answers = []
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        answers.append(json.loads(output.splitlines()[-1]))
    return {
        "samples_per_second": sum(answer["samples_per_second"] for answer in answers),
        "samples_per_processor_second": float(np.mean([answer["samples_per_processor_second"] for answer in answers])),
        "padding": float(np.mean([answer["padding"] for answer in answers])),
        "memory_gib": sum(answer["memory_gib"] for answer in answers),
    }


def sides(size: str, precision: Precision, steps: int, gpu: bool) -> dict[str, list[Case]]:
    """Side -> the processes that it is made of."""
    cores = psutil.cpu_count(logical=False) or 1
    threads = 1 if gpu else cores

    def case(side: str, seeds: Sequence[int], order: str, threads: int) -> Case:
        return Case(side, size, tuple(seeds), order, precision, steps, threads, gpu)

    found = {"one after another": [case("alone", [1], "own order", threads)]}
    for count in (2, 4, 8) if gpu else (cores,):
        found[f"{count} processes"] = [case("alone", [seed], "own order", 1) for seed in range(1, count + 1)]
    for count in (1, 2, 4, 8) if gpu else (2, 4):
        for order in ORDERS[: 1 if count == 1 else 2]:
            found[f"{count} fused, {order}"] = [case("fused", range(1, count + 1), order, threads)]
    for count in () if gpu else (2, 4):
        own = [range(first, first + count) for first in range(1, cores * count, count)]
        found[f"{cores} processes of {count} fused, same widths"] = [
            case("fused", seeds, "same widths", 1) for seeds in own
        ]
    return found


def measure(arguments: argparse.Namespace, size: str, precisions: Sequence[Precision]) -> list[dict[str, Any]]:
    """One answer for each side, precision and round, sides in turn."""
    found = []
    for number in range(arguments.rounds):
        for precision in precisions:
            for side, cases in sides(size, precision, arguments.steps, arguments.gpu).items():
                answer = {"round": number + 1, "precision": precision, "side": side, **in_processes(cases)}
                found.append(answer)
                logging.info(json.dumps(answer))
    return found


def table(found: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """One row a side and precision: medians, and speed as a multiple of training one after another."""
    rows = []
    for precision, side in dict.fromkeys((answer["precision"], answer["side"]) for answer in found):
        own = [answer for answer in found if (answer["precision"], answer["side"]) == (precision, side)]
        alone = [
            answer for answer in found if (answer["precision"], answer["side"]) == (precision, "one after another")
        ]
        speed = spread([answer["samples_per_second"] for answer in own])
        ratio = spread(
            [mine["samples_per_second"] / its["samples_per_second"] for mine, its in zip(own, alone, strict=True)]
        )
        rows.append(
            {
                "side": side,
                "precision": precision,
                "samples/s": f"{speed['median']:.1f} ({speed['min']:.1f} to {speed['max']:.1f})",
                "of one after another": f"{ratio['median']:.2f}",
                "samples a processor second": f"{median(answer['samples_per_processor_second'] for answer in own):.1f}",
                "computed pieces per real one": f"{own[0]['padding']:.2f}",
                "memory, GiB": f"{own[0]['memory_gib']:.2f}",
            }
        )
    return rows


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, one round, nothing written")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if arguments.case:
        given = json.loads(arguments.case)
        print(json.dumps(train(Case(**{**given, "seeds": tuple(given["seeds"])}))))
        return
    size = "tiny" if arguments.tiny else "roberta-base" if arguments.gpu else "minilm-l6"
    best: Precision = "bf16" if this_machine().supports("bf16") else "fp32"
    arguments.rounds = 1 if arguments.tiny else arguments.rounds
    device = torch.device("cuda" if arguments.gpu else "cpu")
    differences = differences_of_losses(SIZES[size], device)
    logging.info(json.dumps(differences))
    found = measure(arguments, size, ("fp32", "bf16") if arguments.gpu else (best,))
    if arguments.tiny:
        print(json.dumps(table(found), indent=1))
        return
    kind = "gpu" if arguments.gpu else "cpu"
    flags = f"--rounds {arguments.rounds} --steps {arguments.steps}" + (" --gpu" if arguments.gpu else "")
    document = {"size": size, "largest_difference_of_losses": differences, "answers": found}
    title = f"Seeds of one system as one model, {size} size, batch {BATCH_SIZE}"
    print(write(f"fused_seeds_{kind}", title, f"python -m benchmarks.fused_seeds {flags}", document, table(found)))


if __name__ == "__main__":
    main()
