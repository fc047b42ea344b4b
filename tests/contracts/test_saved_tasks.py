"""Every registered task: a run that saved its weights, loaded again, gives the answers that the run recorded.

So does plain Transformers, which knows the folder and nothing of us (`plain`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables.folder import Folder
from tests.contracts import plain
from tests.contracts.test_tasks import FAMILY, NAMES, SMALL, sample
from tests.tiny import tiny_model
from tests.trainables.runs import tiny_run
from trainables import registry
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.data.dataset import Item
from trainables.data.load import load_corpus
from trainables.modeling.save_model import save
from trainables.modeling.saved_model import fetched, saved_task
from trainables.protocols.task import Task
from trainables.tools.predictor import Predictor
from trainables.training.outcome import Outcome
from trainables.training.run import run

OPTIONS = {**SMALL, "chunking": "line"}  # chunks across items depend on which items there are
NOT_OF_GOLD = ("cluster", "gold", "correct", "item_score", "split")


@dataclass(frozen=True)
class Saved:
    """A finished run: what it recorded, the items that this is about, in the same order, and the folder it left."""

    outcome: Outcome
    items: list[Item]
    folder: Path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Saved]:
    """A run of each task, made when it is first asked for."""
    made: dict[str, Saved] = {}

    def of_task(name: str) -> Saved:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = _saved(tiny_run_of(name, folder), folder)
        return made[name]

    return of_task


def _saved(config: RunConfig, folder: Path) -> Saved:
    outcome, best = run(config, keep=True), Folder.at(folder / "best")
    assert outcome.kept is not None
    save(outcome.kept, best, {})
    recorded = set(outcome.predictions["item"])
    return Saved(
        outcome, [item for item in load_corpus(config.data).items if str(item["id"]) in recorded], fetched(best)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_run_gives_the_answers_that_it_recorded(saved: Callable[[str], Saved], name: str) -> None:
    one = saved(name)
    recorded = one.outcome.predictions
    inputs = [
        {key: value for key, value in item.items() if key not in ("label", "labels", "answers")} for item in one.items
    ]
    predictor = Predictor.load(one.folder)
    answers = predictor.predict(inputs)
    names = [column for column in recorded if column not in NOT_OF_GOLD]
    pd.testing.assert_frame_equal(answers[names], recorded[names].reset_index(drop=True), check_exact=False, rtol=1e-5)
    assert dict(predictor.thresholds) == dict(one.outcome.thresholds) == saved_task(one.folder)["decisions"]
    assert len(predictor.task.submission(answers, predictor.labels)) == len(answers)


@pytest.mark.filterwarnings("ignore:You seem to be using the pipelines sequentially")
@pytest.mark.parametrize("name", NAMES)
def test_plain_transformers_says_the_same(saved: Callable[[str], Saved], name: str) -> None:
    assert name in plain.CHECKS, f"say in plain.py how anybody gets the answers of {name}"
    one = saved(name)
    plain.CHECKS[name](one.folder, one.items, one.outcome.predictions)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_words_are_put_together_again_from_pieces_of_bytes_too(tmp_path: Path) -> None:
    config = tiny_run(tmp_path, family="roberta", epochs=2)
    one = _saved(config, tmp_path)
    plain.words(one.folder, one.items, one.outcome.predictions)


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
