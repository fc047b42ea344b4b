"""Several runs on one card: processes that share it, seeds of one system as one model, and LoRA seeds over one body.

Processes are as the lanes of a sweep: each executes whole runs of our loop, warm, one seed after another, and they
share the card by time slices (no MPS). `python -m benchmarks.gpu.sections.several` is one of them: it reads a run as
JSON a line, and answers with a line. Stacked seeds are prototypes (`stacked_encoder.py`, `stacked_lora.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from benchmarks import made_up
from benchmarks.gpu.task import Task, release_memory
from benchmarks.seed_trainers import SIZES, Alone, Fused, Size, batches, differences_of_losses, model, orders, sentences
from trainables.config import Precision, RunConfig
from trainables.system.attention_kernels import chosen_kernels
from trainables.system.fast_dropout import quick_masks
from trainables.system.memory import GIB
from trainables.tools.profile import wait
from trainables.training.distributed import ProcessGroup

STUDY = "roberta-base"
NUM_AT_A_TIME = (1, 2, 4, 8)
STEPS = 48
LEAST_SECONDS, LEAST_STACKED_SECONDS = 40.0, 6.0
Models = Callable[[Sequence[int]], Any]  # what trains the models of these seeds


def measure(task: Task) -> None:
    """One round of each; the second pass takes another round of the processes, and what was left out."""
    with task.attempt("processes"):
        _processes(task)
    with task.attempt("stacked seeds"):
        _stacked_encoders(task)
    with task.attempt("stacked LoRA"):
        _stacked_adapters(task)


class Lane:
    """A process that executes runs and stays warm in between."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu.sections.several"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, config: RunConfig, seed: int) -> None:
        """Have it execute the run with this seed."""
        assert self._process.stdin is not None
        self._process.stdin.write(config.model_copy(update={"seed": seed}).model_dump_json() + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Its losses, once the run is over. Raises RuntimeError where the process ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended with code {self._process.wait()}: the log says why")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def _processes(task: Task) -> None:
    """Runs an hour with so many processes on the card; each does one run of a seed of its own."""
    again = ", again" if task.number == "second" and not task.rehearse else ""
    keys = {count: f"{count} processes{again}" for count in ((1, 2) if task.rehearse else NUM_AT_A_TIME)}
    missing = next((key for key in keys.values() if key not in task.done), None)
    if missing is None or not task.wants(missing, LEAST_SECONDS):
        return
    study = next(study for study in made_up.STUDIES if study.name == STUDY)
    config = made_up.configuration(study, task.folder / study.name, task.rehearse)
    train = config.train.model_copy(update={"epochs": 1})
    config = config.model_copy(update={"variants": {"length_bucketing": {}}, "train": train})
    lanes = [Lane() for _ in range(max(keys))]
    try:
        _at_once(lanes, config, [0] * len(lanes))  # warms them up: imports, kernels, data, weights
        alone: dict[str, Any] = {}
        for count, key in keys.items():
            started = time.perf_counter()
            found = _at_once(lanes[:count], config, range(1, count + 1))
            speed = 3600 * count / (time.perf_counter() - started)
            alone = alone or {"speed": speed, "loss": found[0]["train_loss"]}
            task.row(
                key,
                models=count,
                runs_per_hour=speed,
                of_one_alone=speed / alone["speed"],
                memory_gib=_sum([answer["memory_gib"] for answer in found]),
                difference_of_losses=abs(found[0]["train_loss"] - alone["loss"]),
            )
    finally:
        for lane in lanes:
            lane.end()


def _at_once(lanes: Sequence[Lane], config: RunConfig, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """What the lanes answer, each to the run of its seed, all at the same time."""
    for lane, seed in zip(lanes, seeds, strict=True):
        lane.begin(config, seed)
    return [lane.answer() for lane in lanes]


def _stacked_encoders(task: Task) -> None:
    """Full fine-tuning: K models in one against one model."""
    size, device = _size(task), ProcessGroup.current().device
    if "stacked seeds: losses" not in task.done:
        largest = max(differences_of_losses(SIZES["tiny"], device).values())
        task.row("stacked seeds: losses", difference_of_losses=largest)

    def alone(seeds: Sequence[int]) -> Alone:
        return Alone(model(size, seeds[0]), _precision(task), device)

    def fused(seeds: Sequence[int]) -> Fused:
        return Fused([model(size, seed) for seed in seeds], seeds, _precision(task), device)

    _stacks(task, "stacked seeds", size, alone, fused)


def _stacked_adapters(task: Task) -> None:
    """LoRA: K adapters over one frozen body against one adapter."""
    if find_spec("peft") is None:
        task.row("stacked LoRA", "not installed", reason="needs peft")
        return
    from benchmarks.stacked_lora import StackedLora, adapted, largest_difference

    size, device = _size(task), ProcessGroup.current().device
    if "stacked LoRA: losses" not in task.done:
        task.row("stacked LoRA: losses", difference_of_losses=largest_difference(SIZES["tiny"], device))

    def alone(seeds: Sequence[int]) -> Alone:
        return Alone(adapted(size, seeds[0]), _precision(task), device)

    def fused(seeds: Sequence[int]) -> Fused:
        return Fused([adapted(size, seed) for seed in seeds], seeds, _precision(task), device, StackedLora)

    _stacks(task, "stacked LoRA", size, alone, fused)


def _stacks(task: Task, kind: str, size: Size, alone: Models, fused: Models) -> None:
    """Steps of models a second: one model as the library trains it, then stacks of them."""
    one = next((row["model_steps_per_second"] for row in task.rows if row["key"] == f"{kind}: alone"), None)
    if one is None and task.wants(f"{kind}: alone", LEAST_STACKED_SECONDS):
        one = _steps_per_second(task, size, alone, (1,))
        task.row(f"{kind}: alone", models=1, model_steps_per_second=one, of_one_alone=1.0, memory_gib=_peak_gib())
    for count in (2,) if task.rehearse else NUM_AT_A_TIME:
        key = f"{kind}: {count} in one"
        if one is not None and task.wants(key, LEAST_STACKED_SECONDS):
            with task.attempt(key):
                speed = count * _steps_per_second(task, size, fused, range(1, count + 1))
                task.row(
                    key,
                    models=count,
                    model_steps_per_second=speed,
                    of_one_alone=speed / one,
                    memory_gib=_peak_gib(),
                )


def _steps_per_second(task: Task, size: Size, make: Models, seeds: Sequence[int]) -> float:
    """Optimizer steps a second, on batches that are padded to the longest item of any model."""
    device, steps = ProcessGroup.current().device, 4 if task.rehearse else STEPS
    items = sentences(size.vocabulary)
    found = orders(np.array([len(item) for item in items]), seeds, "same widths", steps)
    trainer, given = make(seeds), list(batches(items, found, device))
    release_memory()  # the single models that a stack was made of
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with chosen_kernels(device), quick_masks(device):
        for batch in given:  # every width once: libraries plan for each
            trainer.step(batch)
        wait(device)
        started = time.perf_counter()
        for batch in given:
            trainer.step(batch)
        wait(device)
    return steps / (time.perf_counter() - started)


def _size(task: Task) -> Size:
    return SIZES["tiny" if task.rehearse else STUDY]


def _precision(task: Task) -> Precision:
    return "fp32" if task.rehearse else "bf16"


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _peak_gib() -> float | None:
    return torch.cuda.max_memory_allocated() / GIB if torch.cuda.is_available() else None


def main() -> None:
    """A lane: whatever libraries print goes to standard error."""
    from trainables.training.run import run
    from trainables.training.token_cache import RunCache

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    warm = RunCache()
    on_device = torch.cuda.is_available()
    for line in sys.stdin:
        if on_device:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        outcome = run(RunConfig.model_validate_json(line), cache=warm)
        if outcome.columns.get("train_loss") is None:
            raise RuntimeError(f"a run ended as {outcome.status}: {outcome.error}")
        memory = torch.cuda.max_memory_reserved() / GIB if on_device else None
        answer = {"train_loss": float(outcome.columns["train_loss"]), "memory_gib": memory}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
