"""Thresholds that are tuned take part in every epoch as in the end: what chooses an epoch is what is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.tables.folder import Folder
from tests.tiny import SENTENCES, tiny_model
from tests.trainables.runs import StopAt
from tests.trainables.tasks.questions import tiny_questions
from tests.trainables.tasks.texts import tiny_label_sets
from trainables import registry
from trainables.config import DataConfig, EarlyStopping, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.data.splits import Split
from trainables.modeling.saved_model import fetched, saved_task
from trainables.protocols.task import Task
from trainables.tools.predictor import Predictor
from trainables.training import control_points
from trainables.training.best_weights import LastEpochs
from trainables.training.evaluation import FOLDS, folds_of, validated
from trainables.training.run import run

INNER = SplitConfig(validation=0.25, calibration=0.25)
WITH_TEST = SplitConfig(validation=0.25, test=0.25)
TASK: Task = registry.load("task", "multi_label_classification")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny model for all runs."""
    return tiny_model(tmp_path_factory.mktemp("model"))


def rare_labels(count: int = 96) -> list[dict[str, Any]]:
    """Two words a text, and labels so rare that for epochs no probability reaches one half."""
    labels = {3: ["data"], 6: ["power"]}
    texts = [" ".join(SENTENCES[number % 8].split()[1:3]) for number in range(count)]
    return [{"id": number, "text": text, "labels": labels.get(number % 8, [])} for number, text in enumerate(texts)]


def rare_run(folder: Path, model: Path, split: SplitConfig = INNER, **train: Any) -> RunConfig:
    """A run in which the untuned macro F1 is 0.0 after each of its epochs."""
    data = folder / "rare.jsonl"
    data.write_text("".join(json.dumps(item) + "\n" for item in rare_labels()), encoding="utf-8")
    settings = {"epochs": 6, "batch_size": 8, "learning_rate": 3e-4, "dropout": 0.0, "max_length": 8, **train}
    return RunConfig(
        task="multi_label_classification",
        data=DataConfig(path=str(data)),
        model=ModelConfig(name="tiny", source=str(model)),
        train=TrainConfig(**{"schedule": "constant", **settings}),
        split=split,
        seed=1,
    )


@pytest.mark.parametrize("split", [INNER, WITH_TEST], ids=["calibration", "test"])
def test_the_best_epoch_is_chosen_by_the_score_that_is_reported(
    tmp_path: Path, model: Path, split: SplitConfig
) -> None:
    outcome = run(rare_run(tmp_path, model, split))
    columns, signal = outcome.columns, outcome.epochs["metric_macro_f1"].tolist()
    assert columns.get("validation_macro_f1", columns["score"]) == max(signal) > signal[0] > 0
    assert columns["best_epoch"] == 1 + int(np.argmax(signal)) > 1
    stored = outcome.predictions[outcome.predictions["split"] == "validation"]
    assert TASK.score(stored)["macro_f1"] == max(signal)


def test_early_stopping_and_plateau_see_the_tuned_score(tmp_path: Path, model: Path) -> None:
    stopping = EarlyStopping(patience=3)
    outcome = run(rare_run(tmp_path, model, early_stopping=stopping, schedule="plateau", plateau_patience=2))
    assert len(outcome.epochs) == 6
    assert set(outcome.epochs["learning_rate"]) == {3e-4}


def test_a_tuned_threshold_on_no_answer_takes_part_too(tmp_path: Path, model: Path) -> None:
    data = tmp_path / "questions.jsonl"
    data.write_text("".join(json.dumps(item) + "\n" for item in tiny_questions(24)), encoding="utf-8")
    config = rare_run(tmp_path, model, WITH_TEST, epochs=2, max_length=80, learning_rate=3e-3)
    options = {"stride": 16, "tune_threshold": True}
    changes = {"task": "question_answering", "task_options": options, "data": DataConfig(path=str(data))}
    outcome = run(config.model_copy(update=changes))
    best = outcome.epochs.iloc[outcome.columns["best_epoch"] - 1]
    assert best["metric_answer_f1"] == outcome.columns["validation_answer_f1"]
    shown = outcome.predictions[outcome.predictions["split"] == "test"]
    threshold = outcome.thresholds["no_answer_threshold"]
    assert (shown["predicted"] == "").tolist() == (shown["no_answer_score"] > threshold).tolist()


@pytest.mark.parametrize("split", [INNER, WITH_TEST], ids=["calibration", "test"])
def test_a_stopped_run_goes_on_with_the_decisions_of_its_best_epoch(
    tmp_path: Path, model: Path, split: SplitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)
    worst_first = rare_run(tmp_path, model, split, epochs=2).model_copy(update={"direction": "minimize"})
    config, folder = worst_first, Folder.at(tmp_path / "checkpoints")
    whole = run(config)
    assert whole.columns["best_epoch"] == 1
    steps = -(-whole.columns["train_items"] // 8)
    assert run(config, control=StopAt(steps + 1), folder=folder).status == "stopped"
    resumed = run(config, folder=folder)
    assert resumed.thresholds == whole.thresholds
    pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)


def test_the_model_of_an_epoch_is_saved_with_the_thresholds_of_that_epoch(tmp_path: Path, model: Path) -> None:
    kept = Folder.at(tmp_path / "epochs")
    outcome = run(rare_run(tmp_path, model, epochs=2), last_epochs=LastEpochs(kept, 1))
    folder = fetched(kept.child("epoch-0002"))
    assert outcome.columns["best_epoch"] == 2
    assert saved_task(folder)["decisions"] == outcome.thresholds
    answers = Predictor.load(folder).predict(rare_labels(8))
    chosen = answers["probability_data"] >= outcome.thresholds["data"]
    assert answers["predicted"].str.contains("data").tolist() == chosen.tolist()
    assert chosen.any()


def sure_but_low() -> pd.DataFrame:
    """Twenty items whose labels follow from their probabilities, but not at one half."""
    items = tiny_label_sets(20)
    rows = [[0.3 if label in item["labels"] else 0.1 for label in ("data", "power")] for item in items]
    found = pd.DataFrame(rows, columns=["probability_data", "probability_power"])
    gold = ["\t".join(label for label in ("data", "power") if label in item["labels"]) for item in items]
    return found.assign(item=[str(item["id"]) for item in items], gold=gold, labels="data\tpower")


def test_items_are_decided_by_thresholds_that_their_own_labels_did_not_tune() -> None:
    table = sure_but_low()
    fold_of = {str(number): number % 10 // 2 for number in range(20)}
    plain = validated(TASK, table, {}, fold_of)
    assert plain.index.tolist() == table.index.tolist()
    assert plain["correct"].all()
    own = table["item"].map(fold_of) == 2
    other = table.assign(gold=table["gold"].where(~own, "power"))
    changed = validated(TASK, other, {}, fold_of)
    assert changed.loc[own, "predicted"].tolist() == plain.loc[own, "predicted"].tolist()
    single = table.iloc[:1].assign(predicted="", correct=False)
    assert validated(TASK, single, {}, {"0": 0}) is single


def test_folds_hold_every_validation_item_once_with_labels_in_proportion() -> None:
    items = tiny_label_sets(60)
    part = np.arange(20, 60)
    split = Split(train=np.arange(20), validation=part, test=np.arange(0))
    folds = folds_of(TASK, items, split, 7)
    assert folds == folds_of(TASK, items, split, 7)
    assert sorted(map(int, folds)) == part.tolist()
    for number in range(FOLDS):
        own = [items[int(name)]["labels"] for name, fold in folds.items() if fold == number]
        assert (len(own), sum("data" in labels for labels in own), sum("power" in labels for labels in own)) == (
            8,
            4,
            4,
        )
    with_calibration = Split(split.train, part, split.test, calibration=np.arange(3))
    assert folds_of(TASK, items, with_calibration, 7) == {}
    assert folds_of(TASK.configured({"threshold": 0.4}), items, split, 7) == {}
