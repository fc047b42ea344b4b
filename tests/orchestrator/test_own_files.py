"""A user's own metric, task, data set and model, given by path, go through a whole sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.sweep import SweepOptions, sweep
from orchestrator.config.load import load
from orchestrator.config.resolve import grid_runs, resolve
from orchestrator.config.run_spec import RunSpec
from orchestrator.storage import Store
from orchestrator.worker.execute import execute_run
from orchestrator.worker.failure import Finished
from orchestrator.worker.versions import Provenance
from tests.orchestrator.experiments import resolved, write_experiment
from trainables.training.control_points import Request, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions
from trainables.training.token_cache import RunCache

ITEMS = ("train_items", "evaluation_items")

METRIC = """
from analysis.metrics import Metric
from analysis.metrics.accuracy import METRIC as ACCURACY

def half(sums):
    return ACCURACY.value(sums) / 2


METRIC = Metric("half_accuracy", "Half the accuracy", "for tests", ACCURACY.counts, half)
"""
TASK = """
from trainables.tasks.token_classification import TokenClassification


class Shouting(TokenClassification):
    name = "shouting"
    primary_metric = "accuracy"


TASK = Shouting()
"""
DATASET = """
from pathlib import Path

from tests.tiny import tiny_items
from trainables.data.dataset import Dataset, Reading

DATASET = Dataset(
    name="mine",
    description="made in memory",
    task="token_classification",
    licence="none",
    files=("own_dataset.py",),
    read=lambda folder: Reading(tiny_items(20)),
    folder=Path(__file__).parent,
)
"""


def swept(folder: Path, path: Path) -> pd.DataFrame:
    """The `runs` table of an in-process sweep of an experiment file."""
    result = sweep(
        resolve(load(str(path))), SweepOptions(out=str(folder / "out"), layout=LayoutOptions(in_process=True))
    )
    assert result.exit_code == 0
    return pd.read_parquet(folder / "out" / "runs.parquet")


def test_a_metric_by_path_is_the_score_and_chooses_the_epoch(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(METRIC)
    runs = swept(tmp_path, write_experiment(tmp_path, compare={"metric": "./half.py"}))
    assert set(runs["metric"]) == {"half_accuracy"}
    assert (runs["score"] == runs["metric_half_accuracy"]).all()
    assert runs["score"].tolist() == pytest.approx((runs["metric_accuracy"] / 2).tolist())


def test_a_metric_is_identified_by_its_content_and_not_by_its_place(tmp_path: Path) -> None:
    ids = []
    for name, code in (("a.py", METRIC), ("b.py", METRIC), ("b.py", METRIC.replace("/ 2", "/ 3"))):
        (tmp_path / name).write_text(code)
        ids.append(grid_runs(resolved(tmp_path, compare={"metric": f"./{name}"}))[0].run_id)
    assert ids[0] == ids[1] != ids[2]


def test_an_edited_metric_is_what_the_next_sweep_of_the_same_process_runs(tmp_path: Path) -> None:
    for divisor in (2, 3):
        (tmp_path / "half.py").write_text(METRIC.replace("/ 2", f"/ {divisor}"))
        path = write_experiment(
            tmp_path, compare={"metric": "./half.py"}, models={"tiny": {"path": "model"}}, seeds=[1]
        )
        newest = swept(tmp_path, path).sort_values("finished_at").iloc[-1]
        assert newest["score"] == pytest.approx(newest["metric_accuracy"] / divisor)


def test_a_warm_worker_reads_the_data_again_with_an_edited_data_set(tmp_path: Path) -> None:
    (tmp_path / "source.txt").touch()
    sizes, warm = [], RunCache()
    for size in (20, 16):
        source = DATASET.replace("tiny_items(20)", f"tiny_items({size})").replace("own_dataset.py", "source.txt")
        (tmp_path / "own_dataset.py").write_text(source)
        run = first_run(tmp_path, data={"name": "./own_dataset.py"})
        assert executed(run, tmp_path, warm).status == "completed"
        sizes += [Store.open(tmp_path / "out").recorded_value(run.run_id, name) for name in ITEMS]
    assert [sum(sizes[:2]), sum(sizes[2:])] == [20, 16]


def test_a_run_whose_file_was_edited_meanwhile_fails_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(METRIC)
    run = first_run(tmp_path, compare={"metric": "./half.py"})
    (tmp_path / "half.py").write_text(METRIC.replace("/ 2", "/ 3"))
    finished = executed(run, tmp_path, RunCache())
    assert (finished.status, finished.failure, finished.retriable) == ("failed", "data", False)
    assert "half.py was edited after the sweep began; run the sweep again" in str(finished.error)


def first_run(folder: Path, **changes: Any) -> RunSpec:
    """The first cell of the tiny experiment."""
    return grid_runs(resolved(folder, **changes))[0]


def executed(run: RunSpec, folder: Path, warm: RunCache) -> Finished:
    """One attempt at a run in this process."""
    store = Store.open(folder / "out")
    return execute_run(
        run,
        store,
        group=ProcessGroup.current(),
        cache=warm,
        control=GoOn(),
        attempt=1,
        layout=ComputeOptions(),
        provenance=Provenance(),
    )


class GoOn:
    """Lets a run go on."""

    def poll(self, progress: RunProgress) -> Request:
        """Go on."""
        return "continue"

    def report(self, row: Mapping[str, Any]) -> None:
        """Nothing is shown."""

    def all_ranks_raised(self) -> bool:
        """The only one did."""
        return True


def test_a_task_and_a_data_set_by_path_run_like_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "own_task.py").write_text(TASK)
    (tmp_path / "own_dataset.py").write_text(DATASET)
    runs = swept(tmp_path, write_experiment(tmp_path, task="./own_task.py", data={"name": "./own_dataset.py"}))
    assert set(runs["metric"]) == {"accuracy"}
    assert set(runs["train_items"] + runs["evaluation_items"]) == {20}


def test_a_broken_metric_file_is_a_problem_of_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text("METRIK = 1")
    path = write_experiment(tmp_path, compare={"metric": "./half.py"})
    with pytest.raises(ValueError, match="does not define METRIC"):
        resolve(load(str(path)))
