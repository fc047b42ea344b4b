"""A user's own metric, task, data set and model, given by path, go through a whole sweep."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.commands._executor_choice import LayoutOptions
from orchestrator.commands.sweep import SweepOptions, sweep
from orchestrator.config import grid
from orchestrator.config.load import load
from orchestrator.config.resolve import resolve
from tests.orchestrator.experiments import resolved, write_experiment

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
        ids.append(grid.runs(resolved(tmp_path, compare={"metric": f"./{name}"}))[0].run_id)
    assert ids[0] == ids[1] != ids[2]


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
