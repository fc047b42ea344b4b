"""The grid of cr-ecss at full size, as `orchestrate run` executes it: 3 models x 10 seeds, as many as the time allows.

Weights are random, and the sentences are made up with the number and the lengths of cr-ecss; times depend on neither.
Runs follow each other in this process, so that all but the first of a model are warm, as on a lane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import made_up
from benchmarks.gpu.sides import Recipe, cannot
from benchmarks.gpu.task import SpoiledDevice, Task, spoils_the_device
from orchestrator.api import load_experiment
from orchestrator.commands.plan import plan
from orchestrator.config.resolve import ResolvedExperiment, grid_runs, resolve
from orchestrator.config.run_spec import RunSpec
from orchestrator.config.yaml_file import dump
from orchestrator.errors import UserError
from orchestrator.executors import StopMode
from orchestrator.executors.events import Event, RunFailed, RunFinished
from orchestrator.executors.in_process import InProcess
from orchestrator.storage import Store
from orchestrator.worker.failure import Failure

MODELS = ("roberta-base", "modernbert-large", "deberta-v3-large")  # the fastest first: something is there early
SEEDS, ITEMS = "42-51", 875
FIRST_SEEDS, TINY_SEEDS, TINY_ITEMS = 2, 2, 24
LEAST_SECONDS = {"roberta-base": 12.0, "modernbert-large": 30.0, "deberta-v3-large": 30.0}
COLUMNS = ("seconds_train", "seconds_eval", "seconds_setup", "samples_per_second", "peak_memory_gib", "precision")
BUCKETED: Recipe = {"length_bucketing": {}}
GRAPHS: Recipe = {"length_bucketing": {}, "cuda_graphs": {}}


def measure(task: Task) -> None:
    """In the first pass two seeds of every model; in the second the others."""
    for model in MODELS[:1] if task.rehearse and task.number == "first" else MODELS:
        with task.attempt(model):
            _measure(task, model)


def _measure(task: Task, model: str) -> None:
    name = "graphs" if _prefers_graphs(task, model) else "bucketed"
    resolved = _resolved(task, model, GRAPHS if name == "graphs" else BUCKETED)
    store = Store.open(task.folder / f"grid-{model}")
    if f"{model}, planned" not in task.done:
        _plan(task, model, resolved, store)
    cells = grid_runs(resolved)
    count = TINY_SEEDS if task.rehearse else FIRST_SEEDS if task.number == "first" else len(cells)
    wanted = [run for run in cells[:count] if _key(model, run) not in task.done]
    if wanted and task.wants(_key(model, wanted[0]), LEAST_SECONDS[model]):
        _execute(task, model, name, store, wanted)


def _execute(task: Task, model: str, recipe: str, store: Store, runs: Sequence[RunSpec]) -> None:
    """Run after run until the time is over; the row of each follows at once. Raises SpoiledDevice."""
    executor = InProcess(store)
    watch = _Watch(task, model, recipe, store, {run.run_id: run for run in runs}, executor.stop)
    executor.execute(runs, watch)
    task.is_whole = task.is_whole and watch.finished == len(runs)
    for run_id, error in watch.failed.items():
        reason = error.splitlines()[0] if error else "no reason was given"
        task.row(_key(model, watch.runs[run_id]), "failed", reason=reason)
    if watch.spoiled:
        raise SpoiledDevice(model)


@dataclass
class _Watch:
    """Writes the row of a run as soon as its record is there, and stops where time or device are spent.

    `failed` is what the first attempt of a run raised: what follows it on a broken device says less.
    """

    task: Task
    model: str
    recipe: str
    store: Store
    runs: Mapping[str, RunSpec]
    stop: Callable[[StopMode], None]
    finished: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    spoiled: bool = False
    longest: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def __call__(self, event: Event) -> None:
        """One event of the executor."""
        if not isinstance(event, RunFinished | RunFailed):
            return
        seconds, self.begun = time.monotonic() - self.begun, time.monotonic()
        self.longest = max(self.longest, seconds)
        if isinstance(event, RunFinished):
            self._finish(event, seconds)
        else:
            self.failed.setdefault(event.run_id, event.error)
            self.spoiled = self.spoiled or event.kind == Failure.DEVICE.word or spoils_the_device(event.error)
        if self.spoiled or self.task.left() < self.longest:
            self.stop("checkpoint")

    def _finish(self, event: RunFinished, seconds: float) -> None:
        self.store.compact()
        table = self.store.table("runs")
        assert table is not None, "the record was just compacted"
        record = next(row for row in table.to_pylist() if row["run_id"] == event.run_id)
        run = self.runs[event.run_id]
        own = {"model": self.model, "seed": run.config.seed, "recipe": self.recipe, "seconds": seconds}
        self.task.row(_key(self.model, run), **own, status=event.status, **{name: record.get(name) for name in COLUMNS})
        self.failed.pop(event.run_id, None)
        self.finished += 1
        self.begun = time.monotonic()


def _plan(task: Task, model: str, resolved: ResolvedExperiment, store: Store) -> None:
    """What the planner says of one model's ten runs, before any of them ran."""
    found = plan(resolved, out=store.location)
    task.row(
        f"{model}, planned",
        planned_seconds=found.estimate.seconds,
        planned_runs=len(found.pending),
        planned_lanes=found.estimate.lanes,
        source=found.estimate.source,
    )


def _resolved(task: Task, model: str, recipe: Recipe) -> ResolvedExperiment:
    """The study's experiment with one of its models, from a folder of random weights, and made-up sentences."""
    study = next(study for study in made_up.STUDIES if study.name == model)
    folder = task.folder / model
    made_up.write_model(study, folder, task.rehearse)
    items = made_up.write_items(study, task.folder / "grid.jsonl", TINY_ITEMS if task.rehearse else ITEMS)
    path = task.folder / f"{model}.yaml"
    path.write_text(dump(_experiment(model, folder, items, recipe)), encoding="utf-8")
    try:
        return resolve(load_experiment(path))
    except UserError as error:
        raise ValueError(str(error)) from error


def _experiment(model: str, folder: Path, items: Path, recipe: Recipe) -> dict[str, Any]:
    """The settings of the study `cr-ecss`."""
    return {
        "experiment": "gpu-grid",
        "task": "token_classification",
        "data": {"path": str(items)},
        "split": {"validation": 0.213, "seed": 42},
        "models": {model: {"path": str(folder)}},
        "recipes": {"default": recipe},
        "seeds": SEEDS,
        "train": {"epochs": 4, "batch_size": 8, "learning_rate": 3e-5, "weight_decay": 0.01, "max_length": 128},
    }


def _prefers_graphs(task: Task, model: str) -> bool:
    """Whether recorded steps were the faster ones where the speed of this model was measured; else they are, if it can.

    A recorded step needs a CUDA device.
    """
    if cannot(GRAPHS) is not None:
        return False
    speeds: dict[str, float] = {}
    for row in task.rows:
        if row["section"] == "speed" and row.get("model") == model and "round" in row:
            speeds[row["side"]] = max(speeds.get(row["side"], 0.0), row["samples_per_second"])
    return speeds.get("graphs", 1.0) > speeds.get("bucketed", 0.0)


def _key(model: str, run: RunSpec) -> str:
    return f"{model}, seed {run.config.seed}"


def seconds_of_ten(rows: Sequence[Mapping[str, Any]], model: str) -> float | None:
    """Ten runs of a model from those that were measured: the first as it was, the others as its median later run."""
    from statistics import median

    seconds = [row["seconds"] for row in rows if row.get("model") == model and "seed" in row and "seconds" in row]
    return seconds[0] + 9 * median(seconds[1:] or seconds) if seconds else None
