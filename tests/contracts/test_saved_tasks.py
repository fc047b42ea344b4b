"""Every registered task: a run that saved its weights, loaded again, gives the answers that the run recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.contracts.test_tasks import FAMILY, NAMES, SMALL, sample
from tests.tiny import tiny_model
from trainables import registry
from trainables.engine.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.engine.data import load_corpus
from trainables.engine.folder import Folder
from trainables.engine.loop import run
from trainables.engine.predicting import Predictor
from trainables.engine.saved import fetched, saved_task
from trainables.engine.saving import save
from trainables.engine.task import Task

OPTIONS = {**SMALL, "chunking": "line"}  # chunks across items depend on which items there are
NOT_OF_GOLD = ("cluster", "gold", "correct", "item_score", "split")


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_run_gives_the_answers_that_it_recorded(tmp_path: Path, name: str) -> None:
    config = tiny_run_of(name, tmp_path)
    outcome, best = run(config, keep=True), Folder.at(tmp_path / "best")
    assert outcome.kept is not None
    save(outcome.kept, best, {})
    recorded = outcome.predictions
    items = [item for item in load_corpus(config.data).items if str(item["id"]) in set(recorded["item"])]
    inputs = [
        {key: value for key, value in item.items() if key not in ("label", "labels", "answers")} for item in items
    ]
    predictor = Predictor.load(fetched(best))
    answers = predictor.predict(inputs)
    names = [column for column in recorded if column not in NOT_OF_GOLD]
    pd.testing.assert_frame_equal(answers[names], recorded[names].reset_index(drop=True), check_exact=False, rtol=1e-5)
    assert dict(predictor.decisions) == dict(outcome.decisions) == saved_task(fetched(best))["decisions"]
    assert len(predictor.task.submission(answers, predictor.labels)) == len(answers)


def tiny_run_of(name: str, folder: Path) -> RunConfig:
    """A run of a tiny model on the contract's items, in which whatever a task tunes is tuned."""
    task: Task = registry.load("task", name)
    items = [{**sample(task, number), "id": number} for number in range(24)]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return RunConfig(
        task=name,
        task_options={key: value for key, value in OPTIONS.items() if key in type(task.options).model_fields},
        data=DataConfig(path=str(folder / "items.jsonl")),
        model=ModelConfig(name="tiny", source=str(tiny_model(folder / "model", FAMILY.get(name, "bert")))),
        train=TrainConfig(epochs=2, batch_size=8, learning_rate=3e-3, max_length=96),
        split=SplitConfig(validation=0.25),
        seed=1,
        direction="minimize" if task.primary_metric in task.minimized else "maximize",
    )
