"""Real runs that take a fraction of a second: a tiny encoder on a few sentences, one of each way a run can go."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from analysis.tables.schema import VOLATILE_COLUMNS
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.events import Event, RunEvent
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.ray_lanes.executor import RayLanes
from orchestrator.storage import Store
from tests.tiny import tiny_data, tiny_model
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.data.load import fingerprint

HOSTILE = Path(__file__).parents[2] / "faults" / "hostile"


def tiny_run(folder: Path, seed: int = 0, *, task: str = "token_classification", **train: Any) -> RunSpec:
    """A run on the files that `prepare` has put into `folder`."""
    data = DataConfig(path=str(folder / "items.jsonl"))
    config = RunConfig(
        task=task,
        data=data.model_copy(update={"fingerprint": fingerprint(data)}),
        model=ModelConfig(name="tiny", source=str(folder / "model"), revision="0" * 40),
        train=TrainConfig(**{"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, **train}),
        split=SplitConfig(validation=0.25),
        seed=seed,
    )
    return RunSpec(experiment="scene", system="tiny", recipe="default", config=config, metric="weighted_f1")


def prepare(folder: Path) -> Path:
    """Write the data and the model that `tiny_run` names."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny_data(folder / "items.jsonl")
    tiny_model(folder / "model")
    return folder


def crawling(scene: Path, folder: Path, seed: int, name: str = "waits", **train: float) -> RunSpec:
    """A run that is far from its end until its gate is opened; it has a gate of its own."""
    task = shutil.copy(HOSTILE / f"{name}.py", folder / f"{name}{seed}.py")
    return tiny_run(scene, seed, task=str(task), epochs=6, **train)


def open_gate(run: RunSpec) -> None:
    """From now on the crawling run is as quick as others."""
    Path(run.config.task).with_suffix(".gate").touch()


def broken_run(folder: Path, seed: int = 0) -> RunSpec:
    """A run that raises in the worker: its model is not there."""
    run = tiny_run(folder, seed)
    model = run.config.model.model_copy(update={"source": str(folder / "no-such-model"), "revision": "1" * 40})
    return run.model_copy(update={"system": "broken", "config": run.config.model_copy(update={"model": model})})


def of_run(events: Sequence[Event], run: RunSpec) -> list[Any]:
    """What was told of one run, in order."""
    return [event for event in events if isinstance(event, RunEvent) and event.run_id == run.run_id]


def tables(store: Store) -> dict[str, pd.DataFrame]:
    """The compacted tables without volatile columns, in a fixed order."""
    store.compact()
    found = {}
    for kind in ("runs", "epochs", "predictions"):
        table = pd.read_parquet(store.root.local_path / f"{kind}.parquet")
        table = table.drop(columns=[name for name in table.columns if name in VOLATILE_COLUMNS])
        keys = [name for name in ("run_id", "epoch", "split", "item", "position") if name in table.columns]
        found[kind] = table.sort_values(keys).reset_index(drop=True)
    return found


@contextlib.contextmanager
def ray_here() -> Iterator[None]:
    """A private Ray cluster of this process; the one that is there already, if any."""
    import ray

    from orchestrator.executors.ray_lanes.connection import connected

    if ray.is_initialized():
        yield
        return
    with connected(None, start_seconds=60.0, stall_seconds=600.0):
        yield


def lanes(store: Store, **options: Any) -> RayLanes:
    """The executor on Ray, with bounds short enough for a test, and one thread a worker: these models need no more."""
    limits = {"start_seconds": 30.0, "holder_seconds": 10.0, **options.pop("limits", {})}
    return RayLanes(store, limits=Limits(**limits), threads=1, **options)


def ray_processes(title: str) -> list[psutil.Process]:
    """The living Ray processes below this one whose title begins with `ray::<title>`."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            if words and words[0].startswith(f"ray::{title}") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
